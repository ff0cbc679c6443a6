"""Moving the ink: an affine map and a smooth displacement, sampled once."""

import math
from collections.abc import Mapping

import tensorflow as tf

from trainer.augmentation import masks


def warp(
    images: tf.Tensor,
    drawn: Mapping[str, tf.Tensor],
    *,
    rotation: float,
    scale: float,
    shift: float,
    shear: float,
    elastic: float,
) -> tf.Tensor:
    """Samples each image through its own map.

    Args:
        images: [P, h, w, 1] float32, background 0.
        drawn: By name, [P] numbers in [0, 1); 0.5 changes nothing.
        rotation: Largest rotation about the centre, degrees.
        scale: Largest relative change of each side's length.
        shift: Largest shift, as a fraction of each side.
        shear: Largest horizontal shear, as a slope.
        elastic: Root mean square of a smooth displacement, as a fraction of
            each side.

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
    return sample_bilinear(images, from_y, from_x)


def sample_bilinear(images: tf.Tensor, y: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Returns images read at fractional pixels, 0 outside.

    Args:
        images: [P, h, w, 1] float32.
        y: [P, h, w] float32 rows to read at.
        x: [P, h, w] float32 columns to read at.

    Returns:
        [P, h, w, 1] float32.
    """
    count, height, width = images.shape[:3]
    # A frame of paper, so that every point has its four neighbours.
    framed = tf.pad(images[..., 0], [[0, 0], [1, 1], [1, 1]])
    stride = width + 2
    y = tf.clip_by_value(y + 1.0, 0.0, height + 1.0)
    x = tf.clip_by_value(x + 1.0, 0.0, width + 1.0)
    top = tf.minimum(tf.floor(y), height)
    left = tf.minimum(tf.floor(x), width)
    y, x = y - top, x - left
    # Whole numbers in float32: an image has far less than 2**24 pixels.
    index = tf.cast(top * stride + left, tf.int32)
    index += tf.range(count)[:, None, None] * ((height + 2) * stride)
    pixels = tf.reshape(framed, [-1])
    corners = [
        tf.gather(pixels, index + offset)
        for offset in (0, 1, stride, stride + 1)
    ]
    upper = corners[0] + x * (corners[1] - corners[0])
    lower = corners[2] + x * (corners[3] - corners[2])
    return (upper + y * (lower - upper))[..., None]
