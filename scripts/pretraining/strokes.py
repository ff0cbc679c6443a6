"""A grapheme's path with its headline apart, so that a hand can vary it."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence

import numpy as np

from sample_data import fonts
from sample_data.fonts import Field

_BAND = 2  # rows on each side of the headline that are taken off with it
_SHORTEST = 30  # columns; the flat top of a round letter has about 20


@dataclasses.dataclass(frozen=True)
class Strokes:
    """The pen's path of one grapheme.

    Attributes:
        field: Of the letters without their headline; the box is around both.
        line: Rows from the field's headline down to the middle of the line.
        spans: First and last column of each of its parts.
    """

    field: Field
    line: float
    spans: tuple[tuple[int, int], ...]


class StrokesOf:
    """The strokes of graphemes in a list of fonts."""

    def __init__(self, paths: Sequence[pathlib.Path]) -> None:
        self._fonts = [fonts.load(path) for path in paths]
        # About 20 KB a grapheme: 80 MB at most.
        self.get = functools.lru_cache(maxsize=4096)(self._make)

    def _make(self, font: int, text: str) -> Strokes:
        mask, baseline = fonts.render(self._fonts[font], text)
        path = fonts.middle_line(mask > 127)
        rows = np.flatnonzero(path.any(1))
        columns = np.flatnonzero(path.any(0))
        if not len(rows):
            raise ValueError(f"font {font} draws nothing for {text!r}")
        row, spans = find_headline(path, baseline - fonts.BODY)
        field = Field(
            distance=fonts.steps_from(without_headline(path, row, spans)),
            baseline=baseline,
            left=int(columns[0]),
            right=int(columns[-1]),
            top=int(rows[0]),
            bottom=int(rows[-1]),
            headline=False,
        )
        return Strokes(field, row - (baseline - fonts.BODY), spans)


def find_headline(
    path: np.ndarray, top: int
) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Finds the line that letters hang from.

    Args:
        path: [h, w] bool.
        top: Row of KA's upper edge.

    Returns:
        The line's row, and first and last column of each part.
    """
    start = max(top - _BAND, _BAND)
    counts = path[start : top + fonts.BODY // 5].sum(1)
    row = start + int(np.argmax(counts))
    near = path[row - _BAND : row + _BAND + 1].any(0)
    edges = np.diff(near.astype(np.int8), prepend=0, append=0)
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    spans = tuple(
        (int(first), int(stop) - 1)
        for first, stop in zip(starts, stops, strict=True)
        if stop - first >= _SHORTEST
    )
    return row, spans


def without_headline(
    path: np.ndarray, row: int, spans: Sequence[tuple[int, int]]
) -> np.ndarray:
    """Takes the headline off, but not the strokes that cross it."""
    above, below = row - _BAND, row + _BAND + 1
    crossing = np.any(path[above - 2 : above], axis=0)
    crossing &= np.any(path[below : below + 2], axis=0)
    crossing[1:-1] |= crossing[2:] | crossing[:-2]
    letters = path.copy()
    for first, last in spans:
        columns = slice(first, last + 1)
        letters[above:below, columns] &= crossing[columns]
    return letters
