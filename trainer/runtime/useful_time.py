"""How the time of a run was spent, and how much of it went into steps.

The work of a killed leg after its last backup is in no backup. So each beat of
the lease records the progress of its leg, and the next leg records the
difference between that progress and the backup that it resumes from.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.runtime.legs import Lost
from trainer.runtime.run_state import RunState

PROGRESS = "progress"  # Key in the lease: the progress of its leg.


def progress(state: RunState) -> str:
    """Returns the progress of this leg, for the next leg to read."""
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
    """Returns the lost work of earlier legs, for a leg that begins.

    Args:
        progress: The last known progress of the leg before; None if unknown.
        state: The run, as the new leg resumes it.
    """
    try:
        last = json.loads(progress or "")
        seconds, steps = last["seconds"], last["step"] - state.step
        before = Lost(last["lost_seconds"], last["lost_steps"])
        leg = last["leg"]
    except (ValueError, KeyError, TypeError):
        return Lost()  # Missing or of another version: that is no error.
    saved = [row for row in state.legs if row["leg"] == leg]
    if not saved:  # No backup of that leg: the work it repeated is lost, too.
        seconds += before.seconds
        steps += before.steps
    elif saved[0]["age"] is None:  # An earlier version did not record it.
        seconds = 0.0
    else:
        seconds -= saved[0]["age"]
    return Lost(max(0.0, seconds), max(0, steps))


def spent(
    legs: Sequence[Mapping[str, Any]], speed: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """Returns the seconds spent on each activity; none is counted twice.

    Args:
        legs: The legs of a run, see legs.py. Those of older versions may lack
            entries.
        speed: Its rows of timings, one for each epoch.
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
    """Returns the entries of summary.json; see spent() for the arguments."""
    seconds = spent(legs, speed)
    everything = sum(seconds.values())
    return {
        "useful_share": seconds["steps"] / everything if everything else None,
        "seconds": seconds,
        "steps_done_twice": sum(leg.get("lost_steps") or 0 for leg in legs),
    }
