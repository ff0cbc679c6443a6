"""The learning rate, a function of only the step."""

import dataclasses
import math

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class WarmupCosine:
    """Linear warm-up, then half a cosine from the peak down to `final` of it.

    Loshchilov & Hutter 2017, arXiv 1608.03983, without restarts.

    Attributes:
        peak: Learning rate after the warm-up.
        steps: Steps of the whole run.
        warmup_steps: Steps of the warm-up.
        final: Last learning rate as a fraction of the peak.
    """

    peak: float
    steps: int
    warmup_steps: int
    final: float = 0.01

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the learning rate, scalar float32, of step `step`."""
        step = tf.cast(step, tf.float32)
        warmup = (step + 1.0) / max(1, self.warmup_steps)
        done = (step - self.warmup_steps) / max(
            1, self.steps - self.warmup_steps
        )
        cosine = 0.5 * (1.0 + tf.cos(math.pi * tf.clip_by_value(done, 0, 1)))
        decay = self.final + (1.0 - self.final) * cosine
        return self.peak * tf.minimum(1.0, tf.minimum(warmup, decay))
