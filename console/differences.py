"""Describes the differences between two sets of settings, for an error."""

from collections.abc import Mapping
from typing import Any

_LONGEST = 80  # Values with more characters are not shown.


def describe(
    before: Mapping[str, Any], now: Mapping[str, Any], *, prefix: str = ""
) -> list[str]:
    """Returns a text like "--seed (was 0, now 1)" for each difference.

    Args:
        before: The old settings, by name.
        now: The new settings, by name.
        prefix: Text before each name.
    """
    parts = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old != new:
            values = f" (was {old!r}, now {new!r})"
            short = len(values) <= _LONGEST
            parts.append(f"{prefix}{name}{values if short else ''}")
    return parts
