"""A step that is refused memory, really, above some number of examples."""

import dataclasses

import tensorflow as tf

from trainer.augmentation.augment import Augmentation
from trainer.training.train_step import TrainStep

_MORE_THAN_THERE_IS = 2**46  # float32: 256 TiB.


def allocate(condition) -> tf.Tensor:
    """Returns 0; asks for more memory than there is where it should."""
    size = tf.where(condition, tf.constant(_MORE_THAN_THERE_IS, tf.int64), 1)
    return tf.reduce_max(tf.fill([size], 0.0))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Greedy(Augmentation):
    """Has not the memory for more than `most` examples, from step `at` on."""

    most: int
    at: int

    def __call__(self, images, labels, draws, step=0):
        if images.shape[0] > self.most:
            images += allocate(step >= self.at)
        return super().__call__(images, labels, draws, step)


def greedy(step: TrainStep, **limits) -> TrainStep:
    values = dataclasses.asdict(step.augmentation) | limits
    return dataclasses.replace(step, augmentation=Greedy(**values))
