"""The training loss: weighted softmax cross-entropy over the outputs."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Loss:
    """The loss of every example.

    Attributes:
        output_weights: By output, its share; the weights are normalised to
            sum 1.
        label_smoothing: Probability spread evenly over all classes, in [0, 1)
            (Szegedy et al. 2016, arXiv 1512.00567).
        class_weights: By output, a factor for each of its classes; an output
            that is not named has none.
        adjustments: By output, what is added to the logit of each of its
            classes; an output that is not named has nothing added.
        focal_gamma: Exponent of (1 - p) that makes easy examples count less
            (Lin et al. 2017, arXiv 1708.02002); 0: all count the same.
        hardest: Part of the examples that counts, those of the greatest loss
            of each group (Shrivastava et al. 2016, arXiv 1604.03540).
        group: Consecutive examples that the hardest are taken from: the
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
        """Returns [B] float32.

        Args:
            labels: By output, [B, C] float32 rows of probabilities (mixed
                labels have more than one class; a row of zeros is no label,
                and its loss 0).
            logits: By output, [B, C] float32.
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
        """Returns the loss, 0 where it is small, with the same mean scale."""
        groups = tf.reshape(loss, [-1, self.group])
        kept = max(1, round(self.hardest * self.group))
        least = tf.math.top_k(groups, kept).values[:, -1:]
        hard = tf.cast(groups >= least, tf.float32) * (self.group / kept)
        return tf.reshape(groups * tf.stop_gradient(hard), [-1])


def class_weights(counts: Sequence[int], power: float) -> list[float]:
    """Returns factors count^-power, their mean over the examples 1.

    Args:
        counts: Training examples of each class.
        power: 0: every example counts the same; 1: every class does.
    """
    examples = np.asarray(counts, np.float64)
    weights = np.maximum(examples, 1.0) ** -power
    return (weights * examples.sum() / np.sum(weights * examples)).tolist()


def log_priors(counts: Sequence[int], power: float) -> list[float]:
    """Returns power * log prior of each class, one example added to each.

    Added to the logits in training alone, they leave the net to learn what
    predicts best when all classes are equally frequent, which is what macro
    recall asks for (Menon et al. 2021, arXiv 2007.07314, "logit adjusted
    loss").

    Args:
        counts: Training examples of each class.
        power: 0: the net learns the classes' frequencies, too.
    """
    examples = np.asarray(counts, np.float64) + 1.0
    return (power * np.log(examples / examples.sum())).tolist()
