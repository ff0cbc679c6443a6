"""The training loss: weighted softmax cross-entropy over the outputs."""

from collections.abc import Mapping

import tensorflow as tf


def cross_entropy(
    labels: Mapping[str, tf.Tensor],
    logits: Mapping[str, tf.Tensor],
    *,
    output_weights: Mapping[str, float],
    label_smoothing: float = 0.0,
) -> tf.Tensor:
    """Returns the loss of every example.

    Args:
        labels: By output, [B, C] float32 rows of probabilities (mixed labels
            have more than one class).
        logits: By output, [B, C] float32.
        output_weights: By output, its share in the loss; the weights are
            normalised to sum 1.
        label_smoothing: Probability spread evenly over all classes, in [0, 1)
            (Szegedy et al. 2016, arXiv 1512.00567).

    Returns:
        [B] float32.
    """
    total = sum(output_weights[name] for name in logits)
    loss = 0.0
    for name, output_logits in logits.items():
        target = labels[name]
        classes = target.shape[-1]
        target = target * (1.0 - label_smoothing) + label_smoothing / classes
        loss += (output_weights[name] / total) * (
            tf.nn.softmax_cross_entropy_with_logits(target, output_logits)
        )
    return loss
