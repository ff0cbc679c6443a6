"""The training loss: weighted softmax cross-entropy over the outputs."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Loss:
    """The loss of every example.

    Attributes:
        output_weights: Weight of each output; they are normalised to sum 1.
        label_smoothing: Part of the target probability that is spread evenly
            over all classes, in [0, 1) (Szegedy et al. 2016, arXiv 1512.00567).
        class_weights: For each output, a factor for each class. An output that
            is not in the mapping has no factors.
        adjustments: For each output, a number for each class that is added to
            its logit. An output that is not in the mapping has none.
        focal_gamma: Exponent of (1 - p), which gives easy examples less weight
            (Lin et al. 2017, arXiv 1708.02002); 0: all have the same weight.
        hardest: Fraction of the examples of each group that counts: those with
            the greatest loss (Shrivastava et al. 2016, arXiv 1604.03540).
        group: Number of consecutive examples in a group for `hardest`. The
            groups are the same for any number of replicas.
    """

    output_weights: Mapping[str, float]
    label_smoothing: float = 0.0
    class_weights: Mapping[str, Sequence[float]] = dataclasses.field(
        default_factory=dict
    )
    adjustments: Mapping[str, Sequence[float]] = dataclasses.field(
        default_factory=dict
    )
    focal_gamma: float = 0.0
    hardest: float = 1.0
    group: int = 1

    def __call__(
        self, labels: Mapping[str, tf.Tensor], logits: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        """Returns the losses, [B] float32.

        Args:
            labels: For each output, [B, C] float32 rows of probabilities. Mixed
                labels have more than one class. A row of zeros means no label;
                its loss is 0.
            logits: For each output, [B, C] float32.
        """
        total = sum(self.output_weights[name] for name in logits)
        loss = tf.add_n(
            [
                (self.output_weights[name] / total)
                * self._output_loss(name, labels[name], output_logits)
                for name, output_logits in logits.items()
            ]
        )
        return loss if self.hardest == 1.0 else self._keep_hardest(loss)

    def _output_loss(
        self, name: str, target: tf.Tensor, logits: tf.Tensor
    ) -> tf.Tensor:
        present = tf.reduce_sum(target, axis=-1, keepdims=True)
        smooth = self.label_smoothing
        target = target * (1.0 - smooth) + present * smooth / target.shape[-1]
        if name in self.class_weights:
            target *= tf.constant(self.class_weights[name], tf.float32)
        if name in self.adjustments:
            logits += tf.constant(self.adjustments[name], tf.float32)
        log_p = tf.nn.log_softmax(logits)
        if self.focal_gamma:
            target *= (1.0 - tf.exp(log_p)) ** self.focal_gamma
        return -tf.reduce_sum(target * log_p, axis=-1)

    def _keep_hardest(self, loss: tf.Tensor) -> tf.Tensor:
        """Sets small losses to 0; scales the rest to keep the mean."""
        groups = tf.reshape(loss, [-1, self.group])
        kept = max(1, round(self.hardest * self.group))
        least = tf.math.top_k(groups, kept).values[:, -1:]
        hard = tf.cast(groups >= least, tf.float32) * (self.group / kept)
        return tf.reshape(groups * tf.stop_gradient(hard), [-1])


def class_weights(counts: Sequence[int], power: float) -> list[float]:
    """Returns factors count^-power, scaled to mean 1 over the examples.

    Args:
        counts: Number of training examples of each class.
        power: 0: every example has the same weight; 1: every class has.
    """
    examples = np.asarray(counts, np.float64)
    weights = np.maximum(examples, 1.0) ** -power
    return (weights * examples.sum() / np.sum(weights * examples)).tolist()


def log_priors(counts: Sequence[int], power: float) -> list[float]:
    """Returns power * log prior of each class; 1 is added to each count.

    They are added to the logits only in training. So the net learns to predict
    as if all classes were equally frequent, which suits macro recall (Menon et
    al. 2021, arXiv 2007.07314, "logit adjusted loss").

    Args:
        counts: Number of training examples of each class.
        power: 0: the net learns the frequencies of the classes, too.
    """
    examples = np.asarray(counts, np.float64) + 1.0
    return (power * np.log(examples / examples.sum())).tolist()
