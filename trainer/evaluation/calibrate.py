"""Calibration: logit biases that trade accuracy for macro recall.

Macro recall gives every class the same weight; a net trained on uneven classes
does not. Dividing p(c) by prior(c)^a favours rare classes (Menon et al. 2021,
arXiv 2007.07314, "logit adjustment"). The exponent a is one number per output,
chosen on held-out examples. A negative exponent corrects a loss that adjusted
too much.

The gain is measured by cross-fitting: each part of the examples is scored with
the exponent that was chosen on the other parts. If there is no gain, the output
is not calibrated. If there are unseen graphemes, they have the same weight as
the validation fold.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

EXPONENTS = np.arange(-10, 31) / 20
_PLAIN = EXPONENTS.tolist().index(0.0)
_PARTS = 5
Predictions = tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]


def fit(
    predictions: Sequence[Predictions], counts: Mapping[str, Sequence[int]]
) -> tuple[dict[str, list[float]], dict]:
    """Chooses each output's exponent on held-out examples.

    Args:
        predictions: Labels and logits of each held-out split (for each output,
            [N] integers and [N, C] floats). All splits have the same weight,
            for any number of examples.
        counts: For each output, the number of training examples of each class.

    Returns:
        For each output, a number for each class that is to be added to its
        logit; and {"exponent": {output: a}, "recall": {output: cross-fitted
        macro recall with it on the first split}, "recall_uncalibrated":
        {output: macro recall without it}}.
    """
    biases, results = {}, {}
    for name in predictions[0][1]:
        biases[name], results[name] = _fit_output(
            [(labels[name], logits[name]) for labels, logits in predictions],
            np.asarray(counts[name]),
        )
    report = {
        key: {name: figures[key] for name, figures in results.items()}
        for key in ("exponent", "recall", "recall_uncalibrated")
    }
    return biases, report


def _fit_output(
    predictions: Sequence[tuple[np.ndarray, np.ndarray]], counts: np.ndarray
) -> tuple[list[float], dict[str, float]]:
    direction, classes = _direction(counts), len(counts)
    splits = [
        _Split(
            labels,
            # Whether the prediction of each example is right, by exponent.
            np.stack(
                [
                    (logits + a * direction).argmax(axis=1) == labels
                    for a in EXPONENTS
                ]
            ),
        )
        for labels, logits in predictions
    ]
    crossed = [np.zeros(len(split.labels), bool) for split in splits]
    for held_out in range(_PARTS):
        chosen = _best([s.without(held_out) for s in splits], classes)
        for hits, split in zip(crossed, splits, strict=True):
            inside = split.part == held_out
            hits[inside] = split.hits[chosen][inside]
    recall = [
        _macro_recalls(hits[None], split.labels, classes)[0]
        for hits, split in zip(crossed, splits, strict=True)
    ]
    plain = [
        _macro_recalls(split.hits[[_PLAIN]], split.labels, classes)[0]
        for split in splits
    ]
    exponent = 0.0
    if np.mean(recall) > np.mean(plain):
        exponent = float(EXPONENTS[_best(splits, classes)])
    return (exponent * direction).tolist(), {
        "exponent": exponent,
        "recall": float(recall[0] if exponent else plain[0]),
        "recall_uncalibrated": float(plain[0]),
    }


class _Split(NamedTuple):
    """A split of the data.

    Attributes:
        labels: [N] int.
        hits: [exponents, N] bool, whether the prediction is right.
    """

    labels: np.ndarray
    hits: np.ndarray

    @property
    def part(self) -> np.ndarray:
        return np.arange(len(self.labels)) % _PARTS

    def without(self, part: int) -> "_Split":
        others = self.part != part
        return _Split(self.labels[others], self.hits[:, others])


def _direction(counts: np.ndarray) -> np.ndarray:
    """Returns -log prior, [C], minus its mean; 1 is added to each count."""
    direction = -np.log((counts + 1.0) / np.sum(counts + 1.0))
    return (direction - direction.mean()).astype(np.float32)


def _best(splits: Sequence["_Split"], classes: int) -> int:
    """Returns the index of the exponent with the best smoothed recall.

    The recall of a class with few examples jumps between exponents, so
    neighbouring exponents are averaged.
    """
    recalls = np.mean(
        [_macro_recalls(s.hits, s.labels, classes) for s in splits], axis=0
    )
    padded = np.pad(recalls, 2, mode="edge")
    smooth = np.convolve(padded, np.ones(5) / 5, mode="valid")
    return int(smooth.argmax())


def _macro_recalls(
    hits: np.ndarray, labels: np.ndarray, classes: int
) -> np.ndarray:
    """Returns the macro recall of each row of hits [E, N], [E]."""
    totals = np.bincount(labels, minlength=classes)
    weights = 1.0 / totals[labels] / np.count_nonzero(totals)
    return hits @ weights
