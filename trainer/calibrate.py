"""Calibration: logit biases that trade accuracy for macro recall.

Macro recall weighs every class alike, a net trained on uneven classes does
not: dividing p(c) by prior(c)^a moves decisions towards rare classes (Menon et
al. 2021, arXiv 2007.07314, "logit adjustment"). The exponent a is one number
an output, chosen on held-out examples. What it gains is judged by
cross-fitting: each part of the examples is judged with the exponent that the
other parts chose. Where that is no gain, the output is left as it is.
"""

from collections.abc import Mapping, Sequence

import numpy as np

EXPONENTS = np.arange(0.0, 1.55, 0.05)
_PARTS = 5


def fit(
    labels: Mapping[str, np.ndarray],
    logits: Mapping[str, np.ndarray],
    counts: Mapping[str, Sequence[int]],
) -> tuple[dict[str, list[float]], dict]:
    """Chooses each output's exponent on held-out examples.

    Args:
        labels: By output, [N] integers.
        logits: By output, [N, C] floats.
        counts: By output, training examples of each class.

    Returns:
        By output, what is to be added to its logits, a number a class; and
        {"exponent": {output: a}, "recall": {output: cross-fitted macro
        recall with it}, "recall_uncalibrated": {output: without}}.
    """
    biases, found = {}, {}
    for name, output_logits in logits.items():
        biases[name], found[name] = _fit_output(
            labels[name], output_logits, np.asarray(counts[name])
        )
    report = {
        key: {name: figures[key] for name, figures in found.items()}
        for key in ("exponent", "recall", "recall_uncalibrated")
    }
    return biases, report


def _fit_output(labels, logits, counts):
    direction = _direction(counts)
    # hits[e, i]: whether example i is right with the e-th exponent.
    hits = np.stack(
        [(logits + a * direction).argmax(axis=1) == labels for a in EXPONENTS]
    )
    part = np.arange(len(labels)) % _PARTS
    crossed = np.zeros(len(labels), bool)
    for held_out in range(_PARTS):
        inside = part == held_out
        chosen = _best(hits[:, ~inside], labels[~inside], len(counts))
        crossed[inside] = hits[chosen][inside]
    recall = _macro_recalls(crossed[None], labels, len(counts))[0]
    plain = _macro_recalls(hits[:1], labels, len(counts))[0]
    exponent = 0.0
    if recall > plain:
        exponent = float(EXPONENTS[_best(hits, labels, len(counts))])
    return (exponent * direction).tolist(), {
        "exponent": exponent,
        "recall": float(recall if exponent else plain),
        "recall_uncalibrated": float(plain),
    }


def _direction(counts):
    """Returns -log prior, [C], centred; one example is added to each class."""
    direction = -np.log((counts + 1.0) / np.sum(counts + 1.0))
    return (direction - direction.mean()).astype(np.float32)


def _best(hits, labels, classes):
    """Returns the index of the exponent with the best recall around it.

    The recall of a few rare examples jumps, so that neighbours are averaged.
    """
    recalls = _macro_recalls(hits, labels, classes)
    padded = np.pad(recalls, 2, mode="edge")
    smooth = np.convolve(padded, np.ones(5) / 5, mode="valid")
    return int(smooth.argmax())


def _macro_recalls(hits, labels, classes):
    """Returns [E] macro recalls of hits [E, N]."""
    totals = np.bincount(labels, minlength=classes)
    weights = 1.0 / totals[labels] / np.count_nonzero(totals)
    return hits @ weights
