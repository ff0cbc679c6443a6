"""The legs of a run: one row for each start of the command.

A leg is one run of the process between two resets. A row is a dict of JSON
values, because a backup holds it. The first loop of a leg includes the
compilation, so rates do not count it.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Lost:
    """Work of earlier legs that the run must repeat.

    Attributes:
        seconds: Seconds of the processes of those legs.
        steps: Steps that are computed twice.
    """

    seconds: float = 0.0
    steps: int = 0


def make(
    leg: int,
    *,
    devices: str,
    step: int,
    settings: Mapping[str, Any],
    lost: Lost,
) -> dict:
    """Returns the row of a leg that begins.

    Args:
        leg: Its number, from 1.
        devices: Description of its devices.
        step: The step that it begins at.
        settings: Flags that may change between legs, although they can change
            the result.
        lost: The work of earlier legs that is in no backup.
    """
    return {
        "leg": leg,
        "devices": devices,
        "settings": dict(settings),
        "first_step": step,
        "last_step": step,
        # Steps that needed too much memory, and the number of examples that
        # a device has computed at a time since then.
        "out_of_memory": [],
        # Totals of all loops except the first, which includes compilation.
        "images": 0,
        "seconds": 0.0,
        # The part of them that was spent waiting for examples.
        "input_seconds": 0.0,
        "first_loop_seconds": None,
        # Seconds that training waited for saves.
        "backup_seconds": 0.0,
        # From the start of the process to the end of the first loop.
        "seconds_to_first_loop": None,
        # From the start of the process until now; None if it is not known.
        "age": None,
        "lost_seconds": lost.seconds,
        "lost_steps": lost.steps,
    }


def count_loop(
    leg: dict, *, images: int, seconds: float, input_seconds: float, age: float
) -> None:
    """Adds a loop of steps to a leg.

    Args:
        leg: The leg's row.
        images: Number of examples that were trained on.
        seconds: Seconds that the loop took.
        input_seconds: The part of them that was spent waiting for examples.
        age: Seconds since the process started.
    """
    if leg["first_loop_seconds"] is None:
        leg["first_loop_seconds"] = seconds
        leg["seconds_to_first_loop"] = age
    else:
        leg["images"] += images
        leg["seconds"] += seconds
        leg["input_seconds"] += input_seconds


def input_share(leg: dict) -> float:
    """Returns the fraction of a leg's time that was spent waiting for input."""
    return leg["input_seconds"] / max(leg["seconds"], 1e-9)


def images_per_second(leg: dict) -> float:
    """Returns the rate of a leg so far; 0 after only one loop."""
    return leg["images"] / max(leg["seconds"], 1e-9)


def summarise(leg: dict) -> dict:
    """Returns a leg as summary.json shows it."""
    return leg | {
        "steps": leg["last_step"] - leg["first_step"],
        # A leg of one loop has no rate.
        "images_per_second": images_per_second(leg) if leg["seconds"] else None,
    }
