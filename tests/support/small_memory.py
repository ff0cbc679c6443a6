"""Steps that really run out of memory above some number of examples.

TensorFlow's own allocator waits 10 s for memory before it fails. NumPy fails at
once, and TensorFlow raises the same error for it.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from trainer.augmentation.augment import Augmentation
from trainer.training.train_step import TrainStep

_MORE_THAN_THERE_IS = 2**46  # float32: 256 TiB.


def allocate(condition, *, in_numpy=True) -> tf.Tensor:
    """Returns 0; asks for more memory than there is where it should."""
    size = tf.where(condition, tf.constant(_MORE_THAN_THERE_IS, tf.int64), 1)
    if in_numpy:
        filled = tf.numpy_function(_make_zeros, [size], tf.float32)
    else:
        filled = tf.fill([size], 0.0)
    return tf.reduce_max(tf.ensure_shape(filled, [None]))


def _make_zeros(size: int) -> np.ndarray:
    return np.zeros(size, np.float32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Greedy(Augmentation):
    """Has not the memory for more than `most` examples, from step `at` on."""

    most: int
    at: int
    in_numpy: bool = True

    def __call__(self, images, labels, draws, step=0):
        if images.shape[0] > self.most:
            images += allocate(step >= self.at, in_numpy=self.in_numpy)
        return super().__call__(images, labels, draws, step)


def greedy(step: TrainStep, **limits) -> TrainStep:
    values = dataclasses.asdict(step.augmentation) | limits
    return dataclasses.replace(step, augmentation=Greedy(**values))
