"""Bilinear sampling: reads images at fractional pixels; 0 outside.

There are two implementations with equal results. Gathers are fast on CPUs and
GPUs. A TPU gathers one number after another (jax#10378), 4 for each pixel, but
multiplies matrices fast. So on a TPU the pixels are products with weight
matrices that are almost all 0.

Both take images [P, h, w, 1] float32, and the rows and columns [P, h, w]
float32 to read at. They return [P, h, w, 1] float32.
"""

import math
from collections.abc import Callable

import tensorflow as tf

Sampler = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]

_CHUNK = 8  # Images at a time; each needs h * w * (h + w) floats of weights.


def choose(kind: str) -> Sampler:
    """Returns the implementation that is faster on a kind of device.

    Args:
        kind: "tpu", "gpu" or "cpu".
    """
    return by_products if kind == "tpu" else by_gathers


def by_gathers(images: tf.Tensor, y: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Samples with four gathers, one for each neighbour of a point."""
    count, height, width = images.shape[:3]
    # Pad with paper, so that every point has four neighbours.
    framed = tf.pad(images[..., 0], [[0, 0], [1, 1], [1, 1]])
    stride = width + 2
    y = tf.clip_by_value(y + 1.0, 0.0, height + 1.0)
    x = tf.clip_by_value(x + 1.0, 0.0, width + 1.0)
    top = tf.minimum(tf.floor(y), height)
    left = tf.minimum(tf.floor(x), width)
    y, x = y - top, x - left
    # Whole numbers as float32, because TensorFlow adds int32 numbers of a GPU
    # on the host. They are exact: an image has far less than 2**24 pixels.
    index = top * stride + left
    pixels = tf.reshape(framed, [count, -1])
    corners = [
        tf.gather(pixels, tf.cast(index + offset, tf.int32), batch_dims=1)
        for offset in (0, 1, stride, stride + 1)
    ]
    upper = corners[0] + x * (corners[1] - corners[0])
    lower = corners[2] + x * (corners[3] - corners[2])
    return (upper + y * (lower - upper))[..., None]


def by_products(images: tf.Tensor, y: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Samples with a matrix product over rows, and a sum over columns."""
    count, height, width = images.shape[:3]
    chunk = math.gcd(count, _CHUNK)

    def sample(chunks: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tf.Tensor:
        images, y, x = chunks
        rows = tf.matmul(_weights(y, height), images)
        return tf.reduce_sum(rows * _weights(x, width), axis=-1)

    chunks = (
        tf.reshape(images, [-1, chunk, height, width]),
        tf.reshape(y, [-1, chunk, height * width]),
        tf.reshape(x, [-1, chunk, height * width]),
    )
    sampled = tf.map_fn(
        sample,
        chunks,
        parallel_iterations=1,
        fn_output_signature=tf.TensorSpec([chunk, height * width]),
    )
    return tf.reshape(sampled, images.shape)


def _weights(at: tf.Tensor, size: int) -> tf.Tensor:
    """Returns [P, N, size] bilinear weights of all pixels for points [P, N]."""
    pixels = tf.range(size, dtype=tf.float32)
    return tf.nn.relu(1.0 - tf.abs(at[..., None] - pixels))
