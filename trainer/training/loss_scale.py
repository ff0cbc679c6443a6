"""The loss scale of mixed_float16, adapted after each step.

If the loss is finite but the gradients are infinite, the scale is too large:
the step is skipped and the scale is halved. After many good steps the scale is
doubled (Micikevicius et al. 2018, arXiv 1710.03740).
"""

import tensorflow as tf

_START = 2.0**15
_GROWTH_STEPS = 2000


class LossScale:
    """A factor for the loss, so that float16 gradients do not underflow.

    Attributes:
        variable: [2] float32: the scale, and the good steps since it changed.
    """

    def __init__(self) -> None:
        self.variable = tf.Variable(
            [_START, 0.0], trainable=False, name="loss_scale"
        )

    @property
    def value(self) -> tf.Tensor:
        return self.variable[0]

    def adapt(self, updated: tf.Tensor, fine: tf.Tensor) -> tf.Tensor:
        """Adapts the scale after a step; returns whether training may continue.

        Args:
            updated: Whether the step updated the variables.
            fine: Whether its loss was finite.
        """
        scale, steps = self.variable[0], self.variable[1] + 1.0
        grow = steps >= _GROWTH_STEPS
        grown = tf.stack(
            [tf.where(grow, scale * 2.0, scale), tf.where(grow, 0.0, steps)]
        )
        self.variable.assign(
            tf.where(updated, grown, tf.stack([scale / 2.0, 0.0]))
        )
        return updated | (fine & (scale > 1.0))


def make(policy: str) -> LossScale | None:
    """Returns the loss scale of a Keras dtype policy; None if it needs none."""
    return LossScale() if policy == "mixed_float16" else None
