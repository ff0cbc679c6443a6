"""The hand of one image: habits far wider apart than the sample data's."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from sample_data.writers import Writer

# How often a headline is one bar, a part or left out; else it is as printed.
_BAR, _PART, _NONE = 0.16, 0.12, 0.06


@dataclasses.dataclass(frozen=True)
class Hand:
    """How one image is written, beside what a Writer says.

    Attributes:
        writer: Habits that the sample data's writers have, too.
        lean_above: Columns a row that what rises above the headline leans.
        lean_below: The same below the baseline.
        line_tilt: Of the headline against the letters, rows a column.
        line_rise: Rows that it is too high.
    """

    writer: Writer
    lean_above: float
    lean_below: float
    line_tilt: float
    line_rise: float


def make_hand(font: int, rng: np.random.Generator) -> Hand:
    """Draws a hand that writes with the shapes of `font`."""
    pencil = rng.random() < 0.15
    uneven = rng.random() < 0.25
    writer = Writer(
        font=font,
        body=float(np.clip(rng.normal(55, 9), 30, 78)),
        aspect=math.exp(rng.normal(0.1, 0.18)),
        slant=rng.normal(0.05, 0.14),
        above=min(math.exp(rng.normal(0.65, 0.28)), 2.5),
        below=math.exp(rng.normal(0.1, 0.25)),
        overhang=rng.gamma(1.5, 6),
        wobble=7 * math.exp(rng.normal(0, 0.35)),
        pen=float(np.clip(rng.normal(4.8, 0.8), 2.8, 7.5)),
        darkness=rng.uniform(0.5, 0.75) if pencil else rng.normal(0.87, 0.05),
        hollow=float(np.clip(rng.normal(0.08, 0.1), 0, 0.4)),
        grain=rng.uniform(0.05, 0.12) if pencil else rng.uniform(0.02, 0.06),
        softness=rng.uniform(2, 4),
        pressure=rng.uniform(0.2, 0.45) if uneven else rng.uniform(0.05, 0.2),
    )
    return Hand(
        writer=writer,
        lean_above=rng.normal(0, 0.25),
        lean_below=rng.normal(0, 0.25),
        line_tilt=rng.normal(0, 0.03),
        line_rise=rng.normal(0, 1.5),
    )


def choose_headline(
    spans: Sequence[tuple[int, int]],
    overhang: tuple[float, float],
    rng: np.random.Generator,
) -> list[tuple[float, float]]:
    """Chooses what of the headline is written.

    As it is printed, as one bar over all, a part of it, or nothing.

    Args:
        spans: First and last column of its printed parts.
        overhang: How far it runs past the letters, left and right.

    Returns:
        First and last column of each part.
    """
    kind = rng.random()
    if not spans or kind < _NONE:
        return []
    first, last = spans[0][0] - overhang[0], spans[-1][1] + overhang[1]
    if kind < _NONE + _PART:
        start, stop = sorted(rng.uniform(first, last, 2).tolist())
        return [(start, stop)]
    if kind < _NONE + _PART + _BAR:
        reach = 0.15 * (last - first)
        return [(first + rng.normal(0, reach), last + rng.normal(0, reach))]
    parts = [
        [first - j, last + k]
        for (first, last), j, k in zip(
            spans,
            rng.exponential(2, len(spans)),
            rng.exponential(2, len(spans)),
            strict=True,
        )
    ]
    parts[0][0] -= overhang[0]
    parts[-1][1] += overhang[1]
    return [(start, stop) for start, stop in parts]
