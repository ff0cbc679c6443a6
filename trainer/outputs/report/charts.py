"""Charts as HTML and SVG that fit any width and need no script.

The SVG stretches to its box while lines keep their width; labels are HTML over
it, so that they never shrink. Colours are the page's CSS variables.
"""

import dataclasses
import html
import math
from collections.abc import Callable, Sequence

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


def line_chart(
    series: Sequence[Series],
    *,
    marks: Sequence[Mark] = (),
    x_name: str,
    x_range: tuple[float, float],
    y_range: tuple[float, float] | None = None,
    digits: int = 3,
) -> str:
    """Returns a chart of lines over a common x.

    Args:
        series: The lines.
        marks: Vertical lines.
        x_name: What x counts, for the tooltips.
        x_range: Ends of the x axis.
        y_range: Ends of the y axis; None: around the points.
        digits: Digits after the point of y in the tooltips.
    """
    values = [y for line in series for _, y in line.points]
    low, high = y_range or (min(values), max(values))
    ticks = nice_ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    left, right = x_range

    def x_at(x: float) -> float:
        return 100.0 * (x - left) / ((right - left) or 1.0)

    def y_at(y: float) -> float:
        return 100.0 * (high - y) / ((high - low) or 1.0)

    parts = ['<div class="chart"><div class="plot">']
    for tick in ticks:
        parts.append(
            f'<i class="grid" style="top:{y_at(tick):.2f}%"><b>{tick:g}</b></i>'
        )
    parts.append(
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" '
        'aria-hidden="true">'
    )
    for line in series:
        path = " ".join(f"{x_at(x):.2f},{y_at(y):.2f}" for x, y in line.points)
        parts.append(f'<polyline class="{line.style}" points="{path}"/>')
    parts.append("</svg>")
    for mark in marks:
        side = "flip" if x_at(mark.x) > 80 else ""
        parts.append(
            f'<i class="mark {mark.style} {side}" '
            f'style="left:{x_at(mark.x):.2f}%" '
            f'title="{html.escape(mark.title)}">'
            f"<b>{html.escape(mark.label)}</b></i>"
        )
    parts.append(_tooltips(series, x_at, x_name, digits))
    for tick in nice_ticks(left, right, whole=True):
        if left <= tick <= right:
            parts.append(
                f'<b class="x" style="left:{x_at(tick):.2f}%">{tick:g}</b>'
            )
    parts.append("</div></div>")
    return legend(series) + "".join(parts)


def legend(series: Sequence[Series]) -> str:
    """Returns the names of the lines beside their colours."""
    keys = "".join(
        f'<span class="key {line.style}">{html.escape(line.name)}</span>'
        for line in series
    )
    return f'<p class="legend">{keys}</p>'


def _tooltips(
    series: Sequence[Series],
    x_at: Callable[[float], float],
    x_name: str,
    digits: int,
) -> str:
    """Returns a strip a point of x that shows its values when pointed at."""
    rows: dict[float, list[str]] = {}
    for line in series:
        for x, y in line.points:
            rows.setdefault(x, []).append(
                f'<span class="key {line.style}">{html.escape(line.name)} '
                f"<em>{y:.{digits}f}</em></span>"
            )
    width = 100.0 / max(1, len(rows))
    return "".join(
        f'<div class="tip{" flip" if x_at(x) > 55 else ""}" '
        f'style="left:{x_at(x) - width / 2:.2f}%;width:{width:.2f}%">'
        f"<p>{x_name} {x:g}{''.join(lines)}</p></div>"
        for x, lines in sorted(rows.items())
    )


def stacked_bar(parts: Sequence[tuple[str, str, float]]) -> str:
    """Returns one bar cut by shares: (CSS class, title, amount) each."""
    total = sum(amount for _, _, amount in parts) or 1.0
    cuts = "".join(
        f'<i class="{style}" style="flex-grow:{amount / total:.4f}" '
        f'title="{html.escape(title)}"></i>'
        for style, title, amount in parts
        if amount
    )
    return f'<div class="stack">{cuts}</div>'


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
