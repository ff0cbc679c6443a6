"""Moves the ink: an affine map and a smooth displacement, sampled once."""

import math
from collections.abc import Mapping

import tensorflow as tf

from trainer.augmentation import masks
from trainer.augmentation.sampling import Sampler


def warp(
    images: tf.Tensor,
    drawn: Mapping[str, tf.Tensor],
    *,
    rotation: float,
    scale: float,
    shift: float,
    shear: float,
    elastic: float,
    sampler: Sampler,
) -> tf.Tensor:
    """Warps each image with its own random map.

    Args:
        images: [P, h, w, 1] float32, background 0.
        drawn: By name, [P] random numbers in [0, 1); 0.5 changes nothing.
        rotation: Largest rotation about the centre, in degrees.
        scale: Largest relative change of the height and of the width.
        shift: Largest shift, as a fraction of the height and of the width.
        shear: Largest horizontal shear, as a slope.
        elastic: Root mean square of a smooth displacement, as a fraction of the
            height and of the width.
        sampler: Reads the images between their pixels; see sampling.py.

    Returns:
        [P, h, w, 1] float32.
    """
    height, width = images.shape[1:3]

    def spread(name: str, limit: float) -> tf.Tensor:
        return (2.0 * drawn[name][:, None, None] - 1.0) * limit

    angle = spread("rotation", rotation * math.pi / 180.0)
    y = tf.range(height, dtype=tf.float32)[None, :, None] - (height - 1) / 2
    x = tf.range(width, dtype=tf.float32)[None, None, :] - (width - 1) / 2
    y = y - spread("shift_y", shift * height)
    x = x - spread("shift_x", shift * width)
    x = x + spread("shear", shear) * y
    from_y = tf.cos(angle) * y - tf.sin(angle) * x
    from_x = tf.sin(angle) * y + tf.cos(angle) * x
    from_y = from_y * (1.0 + spread("scale_y", scale)) + (height - 1) / 2
    from_x = from_x * (1.0 + spread("scale_x", scale)) + (width - 1) / 2
    if elastic:
        size = {"height": height, "width": width, "decay": 2.0}
        from_y += elastic * height * masks.smooth_field(drawn["wave_y"], **size)
        from_x += elastic * width * masks.smooth_field(drawn["wave_x"], **size)
    return sampler(images, from_y, from_x)
