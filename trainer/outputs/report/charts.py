"""Charts that fit any width and need no script; charts.html draws them.

The SVG stretches to its box while lines keep their width; labels are HTML over
it, so that they never shrink. Colours are the page's CSS variables.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence

_MOST_TICKS = 6


@dataclasses.dataclass(frozen=True)
class Series:
    """A line: its name, a CSS class, and (x, y) points in the order of x."""

    name: str
    style: str
    points: Sequence[tuple[float, float]]


@dataclasses.dataclass(frozen=True)
class Mark:
    """A vertical line at x, with a label and what it says at length."""

    x: float
    label: str
    title: str
    style: str = ""


@dataclasses.dataclass(frozen=True)
class LineChart:
    """Lines over a common x.

    Attributes:
        caption: What the chart shows.
        series: The lines.
        x_name: What x counts, for the tooltips.
        x_range: Ends of the x axis.
        y_range: Ends of the y axis; None: around the points.
        marks: Vertical lines.
    """

    caption: str
    series: Sequence[Series]
    x_name: str
    x_range: tuple[float, float]
    y_range: tuple[float, float] | None = None
    marks: Sequence[Mark] = ()

    @functools.cached_property
    def y_ticks(self) -> list[float]:
        values = [y for line in self.series for _, y in line.points]
        low, high = self.y_range or (min(values), max(values))
        return nice_ticks(low, high)

    @property
    def x_ticks(self) -> list[float]:
        left, right = self.x_range
        ticks = nice_ticks(left, right, whole=True)
        return [tick for tick in ticks if left <= tick <= right]

    def x_at(self, x: float) -> float:
        """Returns where x is, in percent of the width from the left."""
        left, right = self.x_range
        return 100.0 * (x - left) / ((right - left) or 1.0)

    def y_at(self, y: float) -> float:
        """Returns where y is, in percent of the height from the top."""
        low, high = self.y_ticks[0], self.y_ticks[-1]
        return 100.0 * (high - y) / ((high - low) or 1.0)

    def values(self) -> dict[float, list[tuple[Series, float]]]:
        """Returns each x, in its order, with the lines' values there."""
        rows: dict[float, list[tuple[Series, float]]] = {}
        for line in self.series:
            for x, y in line.points:
                rows.setdefault(x, []).append((line, y))
        return dict(sorted(rows.items()))


def nice_ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Returns at most 7 round numbers that span [low, high].

    Args:
        low: The lowest value.
        high: The highest value.
        whole: Whether only integers will do.
    """
    span = (high - low) or 1.0
    step = 10.0 ** math.floor(math.log10(span / _MOST_TICKS))
    step *= next(
        f for f in (1, 2, 5, 10) if math.ceil(span / (f * step)) <= _MOST_TICKS
    )
    if whole:
        step = max(1.0, step)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 10) for k in range(first, last + 1)]
