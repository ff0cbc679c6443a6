"""Dropout that does not depend on how a batch is split.

A mask is an explicit function of (seed, layer, step, index of the example,
element), like the random numbers of the augmentation. tf.random gives other
numbers under XLA, and Keras's dropout gives other masks for another number of
replicas.
"""

import keras
import numpy as np
import tensorflow as tf

# Number of bits of the hash that a float32 in [0, 1) holds exactly.
_BITS = 24


class ExampleDropout(keras.layers.Dropout):
    """Keras's Dropout, but its masks are functions of the example's index.

    The state of its seed generator, [2] integers, is the step and the index in
    the global batch of the first example of the call. The train step sets it.

    Attributes:
        key: uint32, different for each layer and run.
    """

    key: int = 0

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        if not training or not self.rate:
            return inputs
        # A noise_shape such as [None, 1, 1, 1] drops whole examples.
        wanted = self.noise_shape or [None] * inputs.shape.rank
        shape = [
            size if fixed is None else fixed
            for size, fixed in zip(inputs.shape, wanted, strict=True)
        ]
        state = tf.cast(self.seed_generator.state, tf.uint32)
        noise = uniform(shape, key=self.key, step=state[0], first=state[1])
        kept = tf.cast(noise >= self.rate, inputs.dtype)
        return inputs * kept / (1.0 - self.rate)


def set_seeds(
    state: list[tf.Tensor], *, step: tf.Tensor, first: tf.Tensor
) -> list[tf.Tensor]:
    """Returns the state of a net with the seeds of ExampleDropout for a step.

    Args:
        state: Values of the net's non-trainable variables. Those that are not
            floats are the seeds.
        step: int64 scalar.
        first: int64 scalar, the index of the first example.
    """
    seed = tf.stack([step, first])
    return keep_seeds(state, [tf.cast(seed, value.dtype) for value in state])


def keep_seeds(
    state: list[tf.Tensor], seeds: list[tf.Tensor]
) -> list[tf.Tensor]:
    """Returns `state` with `seeds` instead of its own seeds (integers)."""
    return [
        value if value.dtype.is_floating else seed
        for value, seed in zip(state, seeds, strict=True)
    ]


def uniform(
    shape: list[int], *, key: int, step: tf.Tensor, first: tf.Tensor
) -> tf.Tensor:
    """Returns random numbers in [0, 1), the same on every device.

    Args:
        shape: [P, ...], of examples and their elements.
        key: uint32, different for each use.
        step: uint32 scalar.
        first: uint32 scalar, the index of the first example.

    Returns:
        float32. The numbers of an example depend on its index, not on P.
    """
    examples = first + np.arange(shape[0], dtype=np.uint32)
    of_example = _hash(_hash(step ^ np.uint32(key)) ^ examples)
    elements = np.arange(np.prod(shape[1:], dtype=int), dtype=np.uint32)
    bits = _hash(of_example[:, None] ^ _hash(tf.constant(elements)))
    numbers = tf.cast(_shift(bits, 32 - _BITS), tf.float32)
    return tf.reshape(numbers * 2.0**-_BITS, shape)


def _hash(x: tf.Tensor) -> tf.Tensor:
    """Mixes the bits of uint32 numbers: github.com/skeeto/hash-prospector."""
    x = (x ^ _shift(x, 16)) * np.uint32(0x21F0AAAD)
    x = (x ^ _shift(x, 15)) * np.uint32(0xD35A2D97)
    return x ^ _shift(x, 15)


def _shift(x: tf.Tensor, bits: int) -> tf.Tensor:
    return tf.bitwise.right_shift(x, np.uint32(bits))
