"""Charts that fit any width and need no script; charts.html draws them.

The SVG stretches to its box, but the width of lines stays the same. Labels are
HTML on top of it, so that they keep their size. Colours are the CSS variables
of the page.
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
    """A vertical line at x, with a label and a longer tooltip."""

    x: float
    label: str
    title: str
    style: str = ""


@dataclasses.dataclass(frozen=True)
class LineChart:
    """Lines with a common x axis.

    Attributes:
        caption: Title of the chart.
        series: The lines.
        x_name: Name of the x axis, for the tooltips.
        x_range: Ends of the x axis.
        y_range: Ends of the y axis; None: they fit the points.
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
        """Returns the position of x, in percent of the width from the left."""
        left, right = self.x_range
        return 100.0 * (x - left) / ((right - left) or 1.0)

    def y_at(self, y: float) -> float:
        """Returns the position of y, in percent of the height from the top."""
        low, high = self.y_ticks[0], self.y_ticks[-1]
        return 100.0 * (high - y) / ((high - low) or 1.0)

    def values(self) -> dict[float, list[tuple[Series, float]]]:
        """Returns the values of the lines at each x, in the order of x."""
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
        whole: Whether the ticks must be integers.
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
