"""How fast a leg trains, and how long its steps wait for examples.

The first loop of a leg compiles: it counts for none of the rates.
"""


def count_loop(
    leg: dict, *, images: int, seconds: float, waited: float, age: float
) -> None:
    """Adds a loop of steps to a leg.

    Args:
        leg: Of the state's legs, the last.
        images: Examples that were trained on.
        seconds: That the loop took.
        waited: Of these, seconds without examples.
        age: Seconds since the process started.
    """
    if leg["first_loop_seconds"] is None:
        leg["first_loop_seconds"] = seconds
        leg["seconds_to_first_loop"] = age
    else:
        leg["images"] += images
        leg["seconds"] += seconds
        leg["input_seconds"] += waited


def input_share(leg: dict) -> float:
    """Returns the share of a leg's time that waited for examples."""
    return leg["input_seconds"] / max(leg["seconds"], 1e-9)


def epoch_row(
    leg: dict,
    *,
    epoch: int,
    evaluation_seconds: float,
    memory_mb: int | None,
) -> dict:
    """Returns the timings to keep of an evaluated epoch.

    Args:
        leg: The leg so far.
        epoch: Its number, from 1.
        evaluation_seconds: That its evaluation took.
        memory_mb: The accelerator memory used; None: not known.
    """
    return {
        "epoch": epoch,
        "leg": leg["leg"],
        "images_per_second": leg["images"] / max(leg["seconds"], 1e-9),
        "evaluation_seconds": evaluation_seconds,
        "input_share": input_share(leg),
        "memory_mb": memory_mb,
    }
