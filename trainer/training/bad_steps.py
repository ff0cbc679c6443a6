"""Steps whose loss or gradients are not finite, or explode.

Such a step changes nothing. It ends the leg, or, with --on_nan=rollback, the
run goes back to its last backup and passes over that step from then on.
"""

from collections.abc import Callable

from absl import logging

from storage import UserError
from trainer.runtime.run_state import RunState
from trainer.stream.input_pipeline import TrainStream

_MOST_PASSED_OVER = 10


class BadStepError(UserError):
    """A step that cannot be taken ends the leg; the state is as before it."""


def note(
    state: RunState,
    *,
    loss: float,
    stream: TrainStream,
    pass_over: bool,
) -> None:
    """Adds the step that the state is at to its bad ones.

    Args:
        state: The run.
        loss: Of that step.
        stream: The training examples.
        pass_over: Whether the run may go on without that step.

    Raises:
        BadStepError: It may not, or too many steps are bad.
    """
    step, image_ids = state.step, _image_ids(stream, state.step)
    bad = {
        "step": step,
        "loss": str(loss),
        "image_ids": image_ids,
        "passed_over": pass_over,
    }
    known = [b for b in state.bad_steps if b["step"] != step]
    state.bad_steps = [*known, bad]
    said = (
        f"step {step} cannot be taken: its loss is {loss}, too great, or its "
        f"gradients are not finite. Its images: {', '.join(image_ids)}"
    )
    if not pass_over:
        raise BadStepError(
            f"{said}. The state is as before it: look at the images, lower "
            "--learning_rate or raise --warmup_epochs (--restart), or pass "
            "over the batch with --on_nan=rollback"
        )
    logging.error("%s", said)
    if len(state.passed_over) > _MOST_PASSED_OVER:
        raise BadStepError(
            f"more than {_MOST_PASSED_OVER} steps are not finite, the last "
            f"one is {step}: lower --learning_rate or raise --warmup_epochs "
            "(--restart)"
        )


def _image_ids(stream, step):
    batches = stream.dataset(step, step + 1, with_keys=True)
    return [
        image_id.decode()
        for batch in batches.as_numpy_iterator()
        for image_id in batch["image_id"]
    ]


def go_back(state: RunState, restore: Callable[[], bool]) -> None:
    """Goes back to the last backup; what is known since stays known.

    Args:
        state: The run.
        restore: Restores it, and returns whether there was a backup.
    """
    legs, bad_steps, before = state.legs, state.bad_steps, state.step
    found = restore()
    state.legs, state.bad_steps = legs, bad_steps
    logging.warning(
        "Went back %s from step %d; passing over steps %s",
        f"to the backup at step {state.step}" if found else "nowhere",
        before,
        ", ".join(map(str, state.passed_over)),
    )
