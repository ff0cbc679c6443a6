"""What differs between two sets of settings, in the words of an error."""

from collections.abc import Mapping
from typing import Any

_LONGEST = 80  # Characters of a value that is shown.


def describe(
    before: Mapping[str, Any], now: Mapping[str, Any], *, prefix: str = ""
) -> list[str]:
    """Returns a text like "--seed (was 0, now 1)" for each that differs.

    Args:
        before: By name, the settings of before.
        now: The settings of now.
        prefix: What comes before each name.
    """
    parts = []
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old != new:
            values = f" (was {old!r}, now {new!r})"
            short = len(values) <= _LONGEST
            parts.append(f"{prefix}{name}{values if short else ''}")
    return parts
