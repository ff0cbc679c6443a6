"""The legs of a run: one row for each start of the command.

A row is a dict of JSON values, since a backup holds it. The first loop of a
leg compiles: it counts for none of the rates.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Lost:
    """What earlier legs did that the run has to do again.

    Attributes:
        seconds: Of the processes of those legs.
        steps: Steps that are done twice.
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
        devices: What it computes on.
        step: The step it begins at.
        settings: Flags that may change from leg to leg, though they can change
            the result.
        lost: What earlier legs did that is in no backup.
    """
    return {
        "leg": leg,
        "devices": devices,
        "settings": dict(settings),
        "first_step": step,
        "last_step": step,
        # Steps that memory was too small for, and how many examples a device
        # has computed at a time since.
        "out_of_memory": [],
        # Of all loops but the first, which compiles.
        "images": 0,
        "seconds": 0.0,
        # Of these, spent waiting for examples.
        "input_seconds": 0.0,
        "first_loop_seconds": None,
        # Seconds for which the steps waited for saves.
        "backup_seconds": 0.0,
        # From the start of the process to the end of the first loop.
        "seconds_to_first_loop": None,
        # From the start of the process until now; None: it is not known.
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
        images: Examples that were trained on.
        seconds: Seconds that the loop took.
        input_seconds: Of these, seconds without examples.
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
    """Returns the share of a leg's time that waited for examples."""
    return leg["input_seconds"] / max(leg["seconds"], 1e-9)


def images_per_second(leg: dict) -> float:
    """Returns the rate of a leg so far; 0 where only one loop was run."""
    return leg["images"] / max(leg["seconds"], 1e-9)


def summarise(leg: dict) -> dict:
    """Returns a leg as summary.json shows it."""
    return leg | {
        "steps": leg["last_step"] - leg["first_step"],
        # A leg of one loop has no rate.
        "images_per_second": images_per_second(leg) if leg["seconds"] else None,
    }
