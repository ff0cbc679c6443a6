"""Steps whose loss or gradients are not finite, or whose loss is too great.

Such a step changes nothing. It ends the process or, with --on_nan=rollback, the
run restores its last backup and skips that step from then on.
"""

from absl import logging

from storage import UserError
from trainer.backup.backup_and_restore import BackupAndRestore
from trainer.runtime.run_state import RunState
from trainer.stream.input_pipeline import TrainStream

_MOST_SKIPPED = 10


class BadStepError(UserError):
    """A step cannot be computed; the state is that before the step."""


def note(
    state: RunState, *, loss: float, stream: TrainStream, skip: bool
) -> None:
    """Records the current step of `state` as a bad step.

    Args:
        state: The run.
        loss: The loss of that step.
        stream: The training examples.
        skip: Whether the run may continue without that step.

    Raises:
        BadStepError: `skip` is false, or too many steps are bad.
    """
    step, image_ids = state.step, _image_ids(stream, state.step)
    state.add_bad_step(loss=loss, image_ids=image_ids, skip=skip)
    message = (
        f"step {step} cannot be taken: its loss is {loss}, too great, or its "
        f"gradients are not finite. Its images: {', '.join(image_ids)}"
    )
    if not skip:
        raise BadStepError(
            f"{message}. The step changed nothing: look at the images, lower "
            "--learning_rate or raise --warmup_epochs (--restart), or skip "
            "the batch with --on_nan=rollback"
        )
    logging.error("%s", message)
    if len(state.skipped_steps) > _MOST_SKIPPED:
        raise BadStepError(
            f"more than {_MOST_SKIPPED} steps are not finite, the last one is "
            f"{step}: lower --learning_rate or raise --warmup_epochs "
            "(--restart)"
        )


def roll_back(state: RunState, backup: BackupAndRestore) -> None:
    """Restores the last backup; keeps the bad steps found since then."""
    before = state.step
    with state.keeping_legs():
        restored = backup.restore()
    logging.warning(
        "%s from step %d; skipping steps %s",
        f"Went back to the backup at step {state.step}"
        if restored
        else "There is no backup to go back to",
        before,
        ", ".join(map(str, state.skipped_steps)),
    )


def _image_ids(stream: TrainStream, step: int) -> list[str]:
    batches = stream.dataset(step, step + 1, with_keys=True)
    return [
        image_id.decode()
        for batch in batches.as_numpy_iterator()
        for image_id in batch["image_id"]
    ]
