"""Boxes, grids, blobs and smooth fields, each made from random numbers."""

import math

import numpy as np
import tensorflow as tf

# A smooth field is made of this many cosines along each side.
COSINES = 4


def boxes(
    *, y: tf.Tensor, x: tf.Tensor, area: tf.Tensor, height: int, width: int
) -> tf.Tensor:
    """Returns a box in each image; parts outside the image are cut off.

    Args:
        y: [P] float32 centres in [0, 1], as fractions of the height.
        x: [P] float32 centres in [0, 1], as fractions of the width.
        area: [P] float32 in [0, 1], as a fraction of the image, before parts
            are cut off.
        height: Height in pixels.
        width: Width in pixels.

    Returns:
        [P, height, width, 1] float32, 1 inside and 0 outside.
    """
    side = tf.sqrt(area)[:, None]

    def inside(centre: tf.Tensor, size: int) -> tf.Tensor:
        position = tf.range(size, dtype=tf.float32)[None] + 0.5
        distance = tf.abs(position - centre[:, None] * size)
        return tf.cast(distance < side * size / 2, tf.float32)

    return _outer(inside(y, height), inside(x, width))


def grids(
    *, y: tf.Tensor, x: tf.Tensor, period: tf.Tensor, height: int, width: int
) -> tf.Tensor:
    """Returns a grid of squares that cover a quarter of each image.

    Args:
        y: [P] float32 in [0, 1): vertical start of the grid, in periods.
        x: [P] float32 in [0, 1): horizontal start of the grid, in periods.
        period: [P] float32, distance between two squares, in pixels.
        height: Height in pixels.
        width: Width in pixels.

    Returns:
        [P, height, width, 1] float32, 1 inside the squares, 0 outside.
    """

    def inside(phase: tf.Tensor, size: int) -> tf.Tensor:
        position = tf.range(size, dtype=tf.float32)[None] / period[:, None]
        return tf.cast((position + phase[:, None]) % 1.0 < 0.5, tf.float32)

    return _outer(inside(y, height), inside(x, width))


def blobs(
    draws: tf.Tensor, *, area: tf.Tensor, height: int, width: int
) -> tf.Tensor:
    """Returns blobs with approximately a given area (Harris et al. 2020, FMix).

    FMix (arXiv 2002.12047) thresholds a smooth random field at a quantile of
    its own pixels. Here it is a quantile of the normal distribution, which
    needs no sorting. The exact area is the mean of the result.

    Args:
        draws: [P, COSINES**2] float32 in [0, 1).
        area: [P] float32 in [0, 1), as a fraction of the image.
        height: Height in pixels.
        width: Width in pixels.

    Returns:
        [P, height, width, 1] float32, 1 inside and 0 outside.
    """
    field = smooth_field(draws, height=height, width=width, decay=3.0)
    rms = tf.sqrt(tf.reduce_mean(tf.square(field), axis=[1, 2], keepdims=True))
    bound = tf.math.ndtri(tf.clip_by_value(1.0 - area, 1e-6, 1.0 - 1e-6))
    return tf.cast(field > rms * bound[:, None, None], tf.float32)[..., None]


def smooth_field(
    draws: tf.Tensor, *, height: int, width: int, decay: float
) -> tf.Tensor:
    """Returns a random field with mean 0 and expected variance 1.

    Args:
        draws: [P, COSINES**2] float32 in [0, 1).
        height: Height in pixels.
        width: Width in pixels.
        decay: The amplitude of a cosine is its frequency to the power -decay.

    Returns:
        [P, height, width] float32.
    """
    frequency = np.arange(COSINES)
    squared = frequency[:, None] ** 2 + frequency[None, :] ** 2
    amplitude = np.maximum(squared, 1) ** (-decay / 2.0)
    amplitude[0, 0] = 0.0  # A constant would be a shift.
    amplitude *= math.sqrt(3.0) / np.sqrt(np.sum(amplitude**2))
    weights = tf.reshape(2.0 * draws - 1.0, [-1, COSINES, COSINES])
    weights *= amplitude.astype(np.float32)
    rows, columns = _cosines(height), _cosines(width)
    return tf.matmul(tf.matmul(rows, weights), columns, transpose_b=True)


def _cosines(size: int) -> np.ndarray:
    """Returns [size, COSINES] float32 cosines of mean square 1."""
    position = (np.arange(size)[:, None] + 0.5) / size
    waves = np.cos(math.pi * position * np.arange(COSINES))
    waves[:, 1:] *= math.sqrt(2.0)
    return waves.astype(np.float32)


def _outer(rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    return (rows[:, :, None] * columns[:, None, :])[..., None]
