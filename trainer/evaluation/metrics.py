"""The competition's score: macro-averaged recall, weighted over outputs."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike


def confusion(
    labels: np.ndarray, predictions: np.ndarray, classes: int
) -> np.ndarray:
    """Returns counts [classes, classes] int64: rows true, columns predicted."""
    index = labels.astype(np.int64) * classes + predictions
    counts = np.bincount(index, minlength=classes * classes)
    return counts.reshape(classes, classes)


def recall_per_class(counts: np.ndarray) -> list[float | None]:
    """Returns the recall of each class in [0, 1]; None if it has no example."""
    totals = counts.sum(axis=1)
    hits = np.diagonal(counts)
    return [
        int(hit) / int(total) if total else None
        for hit, total in zip(hits, totals, strict=True)
    ]


def macro_recall(recalls: Sequence[float | None]) -> float | None:
    """Returns the mean over the classes with a recall; None if none has one."""
    present = [recall for recall in recalls if recall is not None]
    return float(np.mean(present)) if present else None


def score(
    recalls: Mapping[str, float | None], output_weights: Mapping[str, float]
) -> float | None:
    """Returns the weighted mean of the outputs' macro recalls, in [0, 1].

    None if there is nothing to score.
    """
    pairs = [
        (output_weights[name], recall)
        for name, recall in recalls.items()
        if recall is not None
    ]
    total = sum(weight for weight, _ in pairs)
    if not total:
        return None
    return sum(weight * recall for weight, recall in pairs) / total


def evaluate(
    labels: Mapping[str, np.ndarray],
    logits: Mapping[str, np.ndarray],
    output_weights: Mapping[str, float],
) -> dict:
    """Scores predictions.

    Args:
        labels: For each output, [N] integers.
        logits: For each output, [N, C] floats; the largest is the prediction.
        output_weights: Weight of each output in the score.

    Returns:
        {"score", "recall": {output: macro recall},
        "recall_per_class": {output: [recall or None]}}.
    """
    per_class = {}
    for name, output_logits in logits.items():
        counts = confusion(
            labels[name], output_logits.argmax(axis=1), output_logits.shape[1]
        )
        per_class[name] = recall_per_class(counts)
    recall = {name: macro_recall(r) for name, r in per_class.items()}
    return {
        "score": score(recall, output_weights),
        "recall": recall,
        "recall_per_class": per_class,
    }


def evaluate_calibrated(
    labels: Mapping[str, np.ndarray],
    logits: Mapping[str, np.ndarray],
    calibration: Mapping[str, ArrayLike],
    output_weights: Mapping[str, float],
) -> dict:
    """Scores uncalibrated logits with a calibration and without it.

    Args:
        labels: For each output, [N] integers.
        logits: For each output, [N, C] floats, before the calibration.
        calibration: For each output, numbers to add to its logits, [C].
        output_weights: Weight of each output in the score.

    Returns:
        The result of evaluate() with the calibration, plus "score_uncalibrated"
        and "images".
    """
    shifted = {
        name: value + np.asarray(calibration[name], np.float32)
        for name, value in logits.items()
    }
    scores = evaluate(labels, shifted, output_weights)
    plain = evaluate(labels, logits, output_weights)
    return {
        "images": len(next(iter(labels.values()))),
        "score": scores["score"],
        "score_uncalibrated": plain["score"],
        "recall": scores["recall"],
        "recall_per_class": scores["recall_per_class"],
    }
