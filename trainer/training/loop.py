"""The loop over steps and epochs.

  on_train_begin: restores the run from its backup, if there is one
  repeatedly: evaluate a complete epoch, or run the next steps
  on_train_end: waits for the last save

Between two calls of the compiled loop the host counts the steps, saves a backup
when one is due, and stops at the time limit or on a signal.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from console.progress import Progress
from trainer.backup.backup_and_restore import BackupAndRestore
from trainer.evaluation.epoch_evaluation import EpochEvaluation
from trainer.runtime import workers
from trainer.runtime.devices import Devices
from trainer.runtime.limits import Limits, StopError
from trainer.runtime.profiler import Profiler
from trainer.runtime.run_state import RunState
from trainer.runtime.workers import Workers
from trainer.stream.input_pipeline import TrainStream
from trainer.training import (
    bad_steps,
    compiled_loop,
    early_stopping,
    log_lines,
    out_of_memory,
)
from trainer.training.bad_steps import BadStepError
from trainer.training.loop_length import LoopLength
from trainer.training.out_of_memory import OutOfMemoryError, StepRecord
from trainer.training.train_step import TrainStep


@dataclasses.dataclass(kw_only=True)
class TrainingLoop:
    """A run from its first step, or from its backup, to its end.

    Attributes:
        stream: The training examples.
        step: The train step. If it needs too much memory, it is replaced by one
            that needs less.
        state: The state of the run; the backup restores it.
        evaluation: Evaluates after each epoch.
        backup: Saves and restores the state.
        profiler: Profiles some steps.
        devices: The devices of this leg.
        limits: When to stop before the end.
        settings: The flags that each leg records; see runtime/legs.py.

    The other fields are flags, see flags/trainer/.
    """

    stream: TrainStream
    step: TrainStep
    state: RunState
    evaluation: EpochEvaluation
    backup: BackupAndRestore
    profiler: Profiler
    devices: Devices
    limits: Limits
    settings: Mapping[str, Any]
    epochs: int
    steps_per_loop: int
    num_parallel_calls: int
    early_stopping_epochs: int
    on_nan: str

    @property
    def total_steps(self) -> int:
        return self.epochs * self.state.steps_per_epoch

    def run(self, callbacks: Iterable[keras.callbacks.Callback]) -> bool:
        """Trains from the current step; returns whether the run is complete.

        Args:
            callbacks: They are called after the backup and the profiler.

        Raises:
            BadStepError: A step cannot be computed; the state is that before
                it.
            UserError: Another worker is gone.
        """
        called = keras.callbacks.CallbackList(
            [self.backup, self.profiler, *callbacks], model=self.step.core
        )
        with self._workers.missed():
            called.on_train_begin()
        log_lines.warn_of_changes(self.state, self.settings)
        self.state.begin_leg(
            self.backup.leg,
            self.devices.description,
            self.settings,
            self.backup.lost,
        )
        logging.info(
            "%s", log_lines.start(self.state, self.stream, epochs=self.epochs)
        )
        called.on_epoch_begin(self.state.epoch)
        try:
            with self._workers.missed():
                while not self._run_in_memory(called):
                    self.step = out_of_memory.halve(
                        self.step, self.state, workers=self._workers.count
                    )
        except (StopError, BadStepError) as error:
            # The state is complete; after any other error it may not be.
            called.on_train_end()
            if isinstance(error, BadStepError):
                raise
            return False
        called.on_train_end()
        return True

    def leave(self) -> int:
        """Logs where an unfinished run stopped; returns the exit code."""
        return self.limits.leave(
            self.state.step, self.total_steps, saved=self.backup.is_saved
        )

    def distributed_stream(self) -> Iterable[dict]:
        """Returns the batches from the current step on, over all replicas."""
        return workers.distribute(
            self.step.strategy,
            functools.partial(
                self.stream.dataset,
                self.state.step,
                self.total_steps,
                parallel_calls=self.num_parallel_calls,
            ),
        )

    def _run_in_memory(self, callbacks: keras.callbacks.CallbackList) -> bool:
        """Runs to the end; returns False if there is too little memory."""
        loop = compiled_loop.make(self.step, self._record)
        try:
            while not self._run(loop, callbacks):
                bad_steps.roll_back(self.state, self.backup)
        except OutOfMemoryError as error:
            self.state.count_steps(error.losses, rate_at=self.step.schedule)
            return False
        return True

    def _run(
        self, loop: Callable, callbacks: keras.callbacks.CallbackList
    ) -> bool:
        """Runs until the end or a bad step; returns True at the end."""
        with Progress(
            "training",
            total=self.total_steps,
            unit_scale=self.stream.batch_size,
            initial=self.state.step,
        ) as progress:
            return self._take_all_steps(loop, callbacks, progress)

    def _take_all_steps(
        self,
        loop: Callable,
        callbacks: keras.callbacks.CallbackList,
        progress: Progress,
    ) -> bool:
        state, iterator = self.state, None
        length = LoopLength(self.steps_per_loop, workers=self._workers.count)
        while not self._is_over():
            if state.step == state.epoch_end:
                with progress.pause():
                    self._evaluate()
                    callbacks.on_epoch_end(state.epoch - 1, state.history[-1])
                continue
            self._stop_at_limit()
            if iterator is None:
                iterator = iter(self.distributed_stream())
            if state.step in state.skipped_steps:
                next(iterator)
                state.skip_step()
                progress.advance(1)
                continue
            began, count = time.monotonic(), self._count(length)
            if not self._take_steps(loop, iterator, count):
                return False
            length.adapt(time.monotonic() - began)
            callbacks.on_train_batch_end(
                (state.step - 1) % state.steps_per_epoch
            )
            progress.set_text(self._describe_step())
            progress.advance(count)
        return True

    def _describe_step(self) -> str:
        return log_lines.step(
            self.state,
            epochs=self.epochs,
            total_steps=self.total_steps,
            memory_mb=self.devices.memory_mb(),
        )

    def _is_over(self) -> bool:
        """Returns whether all epochs are evaluated, or it stops early."""
        state = self.state
        return state.epoch == self.epochs or early_stopping.is_over(
            state.history, patience=self.early_stopping_epochs
        )

    def _count(self, length: LoopLength) -> int:
        """Returns the number of steps of the next call of the loop."""
        state = self.state
        return length.steps(
            state.step,
            every=self.backup.backup_every_steps,
            cuts=(state.epoch_end, *state.skipped_steps, *self.profiler.cuts),
        )

    def _take_steps(
        self, loop: Callable, iterator: Iterator, count: int
    ) -> bool:
        """Runs `count` steps and counts them; returns whether all are good."""
        state, began = self.state, time.monotonic()
        with self._record.watching():
            losses, finite, input_seconds = loop(
                iterator,
                tf.constant(state.step, tf.int64),
                tf.constant(count, tf.int32),
            )
        losses, good = losses.numpy(), int(np.sum(finite.numpy()))
        state.count_loop(
            losses[:good],
            images=good * self.stream.batch_size,
            seconds=time.monotonic() - began,
            input_seconds=float(input_seconds),
            rate_at=self.step.schedule,
        )
        if good < count:
            bad_steps.note(
                state,
                loss=float(losses[good]),
                stream=self.stream,
                skip=self.on_nan == "rollback",
            )
        return good == count

    def _evaluate(self) -> None:
        with Progress(
            "evaluating", total=self.evaluation.images, at_once=False
        ) as progress:

            def on_batch(images: int) -> None:
                progress.advance(images)
                self._stop_at_limit()

            self.evaluation.add_epoch(
                self.state,
                ema_core=self.step.ema_core,
                memory_mb=self.devices.memory_mb,
                on_batch=on_batch,
            )
        row = self.state.history[-1]
        logging.info("%s", log_lines.epoch(row, epochs=self.epochs))

    @functools.cached_property
    def _record(self) -> StepRecord:
        return StepRecord()

    @functools.cached_property
    def _workers(self) -> Workers:
        return Workers(self.step.strategy)

    def _stop_at_limit(self) -> None:
        stop = self.limits.reached(reserve=self.backup.reserve_seconds)
        if self._workers.any(stop):  # All of them stop, or none does.
            raise StopError
