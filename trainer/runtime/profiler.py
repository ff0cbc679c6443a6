"""--profile_steps: a profile of some steps, for TensorBoard."""

import pathlib

import keras
import tensorflow as tf
from absl import logging

from storage import UserError
from trainer.runtime.run_state import RunState


class Profiler(keras.callbacks.Callback):
    """Profiles the steps from `first` up to `last`, between two loops.

    Args:
        profile_steps: The first step, and the step after the last; empty: no
            profile.
        state: The run, which knows the current step.
        folder: Folder for the profile; TensorBoard finds it from any parent
            folder.

    Raises:
        storage.UserError: `profile_steps` are not two ascending numbers.
    """

    def __init__(
        self, *, profile_steps: list[str], state: RunState, folder: pathlib.Path
    ) -> None:
        super().__init__()
        self.cuts = _parse(profile_steps)
        self._state = state
        self._folder = pathlib.Path(folder)
        self._is_on = False

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._switch()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._switch()

    def on_train_end(self, logs: dict | None = None) -> None:
        self._stop()

    def _switch(self) -> None:
        wanted = bool(self.cuts) and (
            self.cuts[0] <= self._state.step < self.cuts[1]
        )
        if wanted and not self._is_on:
            tf.profiler.experimental.start(str(self._folder))
            self._is_on = True
        elif not wanted:
            self._stop()

    def _stop(self) -> None:
        if self._is_on:
            tf.profiler.experimental.stop()
            self._is_on = False
            logging.info(
                "Profiled up to step %d: tensorboard --logdir=%s",
                self._state.step,
                self._folder,
            )


def _parse(steps: list[str]) -> tuple[int, ...]:
    if not steps:
        return ()
    try:
        first, last = map(int, steps)
    except ValueError:
        first = last = -1
    if not 0 <= first < last:
        raise UserError(
            "--profile_steps: expected two steps of the run, the first and the "
            f"one after the last, such as 10,20; got {','.join(steps)}"
        )
    return first, last
