"""Augmentation on the device: a function of images, labels and drawn numbers.

Nothing here draws a random number. The input pipeline gives every place of the
stream its row of numbers in [0, 1), a function of (seed, step, row), so that
an example is augmented in the same way for any number of replicas, threads or
resumes. Images are never flipped: a flip changes the grapheme.
"""

import dataclasses
import math
from collections.abc import Mapping

import tensorflow as tf

# What each column of the drawn numbers is used for.
DRAWS = (
    "rotation",
    "scale_y",
    "scale_x",
    "shift_y",
    "shift_x",
    "shear",
    "partner",
    "mix",
    "mix_ratio",
    "mix_y",
    "mix_x",
)


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Strengths; 0 turns a step off.

    Attributes:
        rotation: Largest rotation, degrees.
        scale: Largest relative change of each side's length.
        shift: Largest shift, as a fraction of each side.
        shear: Largest horizontal shear, as a slope.
        cutmix: Probability that an example is mixed with its partner.
        mix_group: Consecutive places that partners are taken from.
    """

    rotation: float = 8.0
    scale: float = 0.12
    shift: float = 0.06
    shear: float = 0.15
    cutmix: float = 0.5
    mix_group: int = 8

    def __call__(
        self,
        images: tf.Tensor,
        labels: Mapping[str, tf.Tensor],
        draws: tf.Tensor,
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Returns augmented images and their labels.

        Args:
            images: [P, h, w, 1] float32, background 0; P a multiple of
                `mix_group`.
            labels: By output, [P, C] float32 rows of probabilities.
            draws: [P, len(DRAWS)] float32 in [0, 1).
        """
        drawn = dict(zip(DRAWS, tf.unstack(draws, axis=1), strict=True))
        if self.rotation or self.scale or self.shift or self.shear:
            images = _affine(images, drawn, self)
        if self.cutmix:
            return _cutmix(images, dict(labels), drawn, self)
        return images, dict(labels)


def _affine(images, drawn, config):
    """Samples each image through its own affine map about the centre."""
    height, width = images.shape[1:3]

    def spread(name, limit):
        return (2.0 * drawn[name][:, None, None] - 1.0) * limit

    angle = spread("rotation", config.rotation * math.pi / 180.0)
    y = tf.range(height, dtype=tf.float32)[None, :, None] - (height - 1) / 2
    x = tf.range(width, dtype=tf.float32)[None, None, :] - (width - 1) / 2
    y = y - spread("shift_y", config.shift * height)
    x = x - spread("shift_x", config.shift * width)
    x = x + spread("shear", config.shear) * y
    from_y = tf.cos(angle) * y - tf.sin(angle) * x
    from_x = tf.sin(angle) * y + tf.cos(angle) * x
    from_y = from_y * (1.0 + spread("scale_y", config.scale))
    from_x = from_x * (1.0 + spread("scale_x", config.scale))
    return sample_bilinear(
        images, from_y + (height - 1) / 2, from_x + (width - 1) / 2
    )


def sample_bilinear(images: tf.Tensor, y: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Returns images read at fractional pixels, 0 outside.

    Args:
        images: [P, h, w, 1] float32.
        y: [P, h, w] float32 rows to read at.
        x: [P, h, w] float32 columns to read at.

    Returns:
        [P, h, w, 1] float32.
    """
    height, width = images.shape[1:3]
    flat = tf.reshape(images, [-1, height * width])
    top, left = tf.floor(y), tf.floor(x)
    total = 0.0
    for row, row_weight in ((top, 1.0 - (y - top)), (top + 1.0, y - top)):
        for column, column_weight in (
            (left, 1.0 - (x - left)),
            (left + 1.0, x - left),
        ):
            inside = (
                (row >= 0)
                & (row <= height - 1)
                & (column >= 0)
                & (column <= width - 1)
            )
            index = tf.where(inside, row * width + column, 0.0)
            index = tf.reshape(tf.cast(index, tf.int32), [-1, height * width])
            value = tf.gather(flat, index, batch_dims=1)
            weight = tf.where(inside, row_weight * column_weight, 0.0)
            total += tf.reshape(value, tf.shape(weight)) * weight
    return total[..., None]


def _partners(values, roll, group):
    """Returns each example's partner: `roll` places on within its group."""
    size = values.shape[0]
    position = tf.range(size)
    offset = (position + roll) % group
    return tf.gather(values, position - position % group + offset)


def _cutmix(images, labels, drawn, config):
    """Pastes a box of the partner (Yun et al. 2019, arXiv 1905.04899)."""
    height, width = images.shape[1:3]
    group = config.mix_group
    # One roll a group, so that partners within it are a permutation.
    first = tf.repeat(drawn["partner"][::group], group)
    roll = 1 + tf.cast(first * (group - 1), tf.int32)
    side = tf.sqrt(drawn["mix_ratio"])
    side = tf.where(drawn["mix"] < config.cutmix, side, 0.0)[:, None]
    y = tf.range(height, dtype=tf.float32)[None] - (
        drawn["mix_y"][:, None] * height
    )
    x = tf.range(width, dtype=tf.float32)[None] - (
        drawn["mix_x"][:, None] * width
    )
    in_y = tf.cast(tf.abs(y) < side * height / 2, tf.float32)
    in_x = tf.cast(tf.abs(x) < side * width / 2, tf.float32)
    box = (in_y[:, :, None] * in_x[:, None, :])[..., None]
    images = images + box * (_partners(images, roll, group) - images)
    share = tf.reduce_mean(box, axis=[1, 2])
    mixed = {
        name: value + share * (_partners(value, roll, group) - value)
        for name, value in labels.items()
    }
    return images, mixed
