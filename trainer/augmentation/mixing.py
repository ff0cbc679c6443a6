"""Mixes an example with another example of its group, pixels and labels.

Each kind of mixing is a mask: the weight of the partner in each pixel. CutMix
(Yun et al. 2019, arXiv 1905.04899) uses a box, FMix (Harris et al. 2020, arXiv
2002.12047) blobs, MixUp (Zhang et al. 2018, arXiv 1710.09412) the same weight
for every pixel. The weight of the partner's labels is the mean of the mask.
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
        images: [P, h, w, 1] float32; P must be a multiple of `group`.
        labels: For each output, [P, C] float32 rows of probabilities.
        drawn: By name, [P] random numbers in [0, 1).
        probabilities: Probability of each kind ("cutmix", "mixup", "fmix"). An
            example is mixed in at most one way.
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
    # All examples of a group use the same roll, so that the partners are a
    # permutation of the group.
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
    """Returns each example's partner, `roll` rows later in its group."""
    position = tf.range(values.shape[0])
    offset = (position + roll) % group
    return tf.gather(values, position - position % group + offset)
