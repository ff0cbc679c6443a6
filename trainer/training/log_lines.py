"""The lines of the log: where a run starts, its progress, its scores."""

from collections.abc import Mapping
from typing import Any

from absl import logging

from console import differences
from trainer.runtime import legs
from trainer.runtime.run_state import RunState
from trainer.stream.input_pipeline import TrainStream


def start(
    state: RunState,
    stream: TrainStream,
    *,
    epochs: int,
) -> str:
    """Returns the line for the start of a leg: its step, the run's length."""
    steps = stream.order.steps_per_epoch
    where = (
        f"Resuming at step {state.step} of {epochs * steps} (leg {state.leg})"
        if state.step
        else f"Starting at step 0 of {epochs * steps}"
    )
    return (
        f"{where}; {stream.order.records} training images, {epochs} epochs "
        f"of {steps} steps of {stream.batch_size}"
    )


def step(
    state: RunState,
    *,
    epochs: int,
    total_steps: int,
    memory_mb: int | None,
) -> str:
    """Returns the line for the progress of a run.

    Args:
        state: The run.
        epochs: Epochs of the whole run.
        total_steps: Steps of the whole run.
        memory_mb: Accelerator memory in use, in MiB; None if it is not known.
    """
    return (
        f"epoch {state.epoch + 1}/{epochs} step {state.step}/"
        f"{total_steps} loss {state.mean_loss:.4f}, waiting for input "
        f"{legs.input_share(state.current_leg):.0%}"
        f"{'' if memory_mb is None else f', {memory_mb} MiB used'}"
    )


def epoch(row: dict, *, epochs: int) -> str:
    """Returns the line with an epoch's scores, from its row of the history."""
    figures = ", ".join(
        f"{name} {value:.4f}"
        for name, value in row.items()
        if name not in ("epoch", "step") and value is not None
    )
    return f"Epoch {row['epoch']}/{epochs} (step {row['step']}): {figures}"


def warn_of_changes(state: RunState, settings: Mapping[str, Any]) -> None:
    """Warns if settings differ from those of the last leg.

    Args:
        state: The run, at the end of its last leg.
        settings: Those of the leg that begins; see runtime/legs.py.
    """
    last = state.current_leg["settings"] if state.legs else {}
    # A setting that only one of the two has came with another version.
    both = last.keys() & settings.keys()
    before, now = ({n: values[n] for n in both} for values in (last, settings))
    if changed := differences.describe(before, now, prefix="--"):
        logging.warning(
            "Changed since the last leg: %s. The result may differ from "
            "that of a run without the change",
            ", ".join(changed),
        )
