"""Mixing an example with another one of its group, pixels and labels.

Each kind of mixing is a mask: how much of each pixel comes from the partner.
CutMix (Yun et al. 2019, arXiv 1905.04899) takes a box, FMix (Harris et al.
2020, arXiv 2002.12047) blobs, MixUp (Zhang et al. 2018, arXiv 1710.09412) the
same part of every pixel. The labels are mixed by the mean of the mask.
"""

from collections.abc import Mapping

import tensorflow as tf

from trainer.augmentation import masks


def mix(
    images: tf.Tensor,
    labels: Mapping[str, tf.Tensor],
    drawn: Mapping[str, tf.Tensor],
    *,
    probabilities: Mapping[str, tf.Tensor | float],
    group: int,
) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Returns the mixed images and labels.

    Args:
        images: [P, h, w, 1] float32; P a multiple of `group`.
        labels: By output, [P, C] float32 rows of probabilities.
        drawn: By name, [P] numbers in [0, 1).
        probabilities: By kind ("cutmix", "mixup", "fmix"), how often an
            example is mixed so; it is mixed in one way at most.
        group: Number of consecutive examples that are partners of each other.
    """
    size = {"height": images.shape[1], "width": images.shape[2]}
    mask, low = 0.0, 0.0
    for kind, probability in probabilities.items():
        high = low + probability
        chosen = (drawn["mix"] >= low) & (drawn["mix"] < high)
        chosen = tf.cast(chosen, tf.float32)[:, None, None, None]
        mask += chosen * _MASKS[kind](drawn, **size)
        low = high
    share = tf.reduce_mean(mask, axis=[1, 2])
    # One roll a group, so that partners within it are a permutation.
    first = tf.repeat(drawn["partner"][::group], group)
    roll = 1 + tf.cast(first * (group - 1), tf.int32)
    mixed = {
        name: value + share * (_partners(value, roll, group) - value)
        for name, value in labels.items()
    }
    return images + mask * (_partners(images, roll, group) - images), mixed


def _box(
    drawn: Mapping[str, tf.Tensor], *, height: int, width: int
) -> tf.Tensor:
    return masks.boxes(
        y=drawn["mix_y"],
        x=drawn["mix_x"],
        area=drawn["mix_part"],
        height=height,
        width=width,
    )


def _blend(
    drawn: Mapping[str, tf.Tensor], *, height: int, width: int
) -> tf.Tensor:
    part = drawn["mix_part"][:, None, None, None]
    return tf.broadcast_to(part, [part.shape[0], height, width, 1])


def _blobs(
    drawn: Mapping[str, tf.Tensor], *, height: int, width: int
) -> tf.Tensor:
    return masks.blobs(
        drawn["mix_wave"], area=drawn["mix_part"], height=height, width=width
    )


_MASKS = {"cutmix": _box, "mixup": _blend, "fmix": _blobs}


def _partners(values: tf.Tensor, roll: tf.Tensor, group: int) -> tf.Tensor:
    """Returns each example's partner: `roll` rows on within its group."""
    position = tf.range(values.shape[0])
    offset = (position + roll) % group
    return tf.gather(values, position - position % group + offset)
