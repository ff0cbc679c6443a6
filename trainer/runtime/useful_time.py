"""Where the hours of a run went: how many of them became steps.

What a killed leg did after its last backup is in no backup. So each beat of
the lease says how far its leg is, and the next leg notes the difference to the
backup that it resumes from.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.runtime.legs import Lost
from trainer.runtime.run_state import RunState

PROGRESS = "progress"  # In the lease: how far its leg is.


def progress(state: RunState) -> str:
    """Returns how far the leg is, for the leg that follows it."""
    leg = state.current_leg
    return json.dumps(
        {
            "leg": leg["leg"],
            "step": state.step,
            "seconds": state.age(),
            "lost_seconds": leg["lost_seconds"],
            "lost_steps": leg["lost_steps"],
        }
    )


def lost(progress: str | None, state: RunState) -> Lost:
    """Returns what is lost of the legs before a leg that begins.

    Args:
        progress: The last that was heard of the leg before; None if nothing.
        state: The run, as the new leg resumes it.
    """
    try:
        last = json.loads(progress or "")
        seconds, steps = last["seconds"], last["step"] - state.step
        before = Lost(last["lost_seconds"], last["lost_steps"])
        leg = last["leg"]
    except (ValueError, KeyError, TypeError):
        return Lost()  # Nothing, or another version's: no start fails for it.
    saved = [row for row in state.legs if row["leg"] == leg]
    if not saved:  # Nor is what that leg had to do again.
        seconds += before.seconds
        steps += before.steps
    elif saved[0]["age"] is None:  # Of a version that did not note it.
        seconds = 0.0
    else:
        seconds -= saved[0]["age"]
    return Lost(max(0.0, seconds), max(0, steps))


def spent(
    legs: Sequence[Mapping[str, Any]], speed: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """Returns seconds by what they went to; nothing is counted twice.

    Args:
        legs: The legs of a run, see legs.py. Older versions' may lack entries.
        speed: Its rows of timings, one an epoch.
    """

    def total(rows: Sequence[Mapping[str, Any]], name: str) -> float:
        return sum(row.get(name) or 0.0 for row in rows)

    waiting = total(legs, "input_seconds")
    compiling = total(legs, "first_loop_seconds")
    seconds = {
        "steps": total(legs, "seconds") - waiting,
        "waiting for input": waiting,
        "start": max(0.0, total(legs, "seconds_to_first_loop") - compiling),
        "compilation and first steps": compiling,
        "evaluation": total(speed, "evaluation_seconds"),
        "backups": total(legs, "backup_seconds"),
        "lost at resets": total(legs, "lost_seconds"),
    }
    known = [leg for leg in legs if leg.get("age") is not None]
    other = total(known, "age") - seconds["evaluation"]
    for name in ("seconds", "seconds_to_first_loop", "backup_seconds"):
        other -= total(known, name)
    return seconds | {"other": max(0.0, other)}


def summarise(
    legs: Sequence[Mapping[str, Any]], speed: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Returns the figures of summary.json; spent() has the arguments."""
    seconds = spent(legs, speed)
    everything = sum(seconds.values())
    return {
        "useful_share": seconds["steps"] / everything if everything else None,
        "seconds": seconds,
        "steps_done_twice": sum(leg.get("lost_steps") or 0 for leg in legs),
    }
