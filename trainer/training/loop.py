"""The loop over steps and epochs.

  on_train_begin: the backup restores the run, if there is one
  again and again: evaluate an epoch that is done, or take the next steps
  on_train_end: the last save is waited for

Between two loops of steps the host looks up: it counts, saves when a save is
due, and stops where it was told to.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterable

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from console.progress import Progress
from trainer.evaluation.epoch_evaluation import Evaluation
from trainer.runtime import loss_trace, speed, workers
from trainer.runtime.limits import Limits, StopError
from trainer.runtime.run_state import RunState
from trainer.runtime.workers import Workers
from trainer.stream.input_pipeline import TrainStream
from trainer.training import bad_steps, early_stopping, log_lines
from trainer.training.bad_steps import BadStepError
from trainer.training.loop_length import LoopLength
from trainer.training.train_step import Step


@dataclasses.dataclass
class Training:
    """A run from its first step, or from its backup, to its end.

    Attributes:
        stream: The training examples.
        step: The train step.
        state: What the run is; restored by the first callback.
        evaluation: What is judged after each epoch.
        epochs: Epochs of the whole run.
        limits: When to stop before the end.
        steps_per_loop: Steps between two looks of the host; 0: about a
            second's.
        parallel_calls: Threads of the input pipeline; 0: as many as help.
        stop_after: Epochs without a gain after which the run is over; 0: the
            run takes all its epochs.
        rate_factor: What the learning rate is multiplied by, of the history.
        cut_every: A loop ends at each multiple of so many steps; 0: at none.
        cut_at: A loop ends at each of these steps.
        memory_mb: Returns the accelerator memory used, None: not known.
        reserve_seconds: How long before the time limit to stop.
        go_back: Goes back to the last backup, if there is one; None: a bad
            step ends the leg. Else the step is passed over after that.
        show: Called at the start, after each loop of steps and after each
            evaluated epoch.
    """

    stream: TrainStream
    step: Step
    state: RunState
    evaluation: Evaluation
    epochs: int
    limits: Limits
    steps_per_loop: int = 0
    parallel_calls: int = 0
    stop_after: int = 0
    rate_factor: Callable[[list[dict]], float] = lambda history: 1.0
    cut_every: int = 0
    cut_at: tuple[int, ...] = ()
    memory_mb: Callable[[], int | None] = lambda: None
    reserve_seconds: Callable[[], float] = lambda: 0.0
    go_back: Callable[[], bool] | None = None
    show: Callable[[], None] = lambda: None

    @property
    def steps_per_epoch(self) -> int:
        return self.stream.order.steps_per_epoch

    @property
    def total_steps(self) -> int:
        return self.epochs * self.steps_per_epoch

    def run(
        self, callbacks: list[keras.callbacks.Callback], *, devices: str
    ) -> bool:
        """Trains on; returns whether the run is at its end.

        Args:
            callbacks: The backup first: it restores the state.
            devices: What this leg computes on.

        Raises:
            bad_steps.BadStepError: The state is as before a step like that.
            storage.UserError: Another worker is gone.
        """
        callbacks = keras.callbacks.CallbackList(
            callbacks, model=self.step.core
        )
        callbacks.on_train_begin()
        self.state.begin_leg(devices)
        logging.info(
            "%s", log_lines.start(self.state, self.stream, epochs=self.epochs)
        )
        self.show()
        loop = self.step.make_loop()
        try:
            with self._workers.missed():
                while not self._run(loop, callbacks):
                    bad_steps.go_back(self.state, self.go_back)
        except (StopError, BadStepError) as error:
            # Both leave a whole state; any other error may not.
            callbacks.on_train_end()
            if isinstance(error, BadStepError):
                raise
            return False
        callbacks.on_train_end()
        return True

    def _run(self, loop, callbacks):
        """Runs to the end, or to a bad step; returns whether it is the end."""
        state, spe = self.state, self.steps_per_epoch
        iterator = None
        shown = Progress(
            self.total_steps,
            unit=("images", self.stream.batch_size),
        )
        length = LoopLength(self.steps_per_loop, workers=self._workers.count)
        while True:
            epoch = len(state.history)
            if state.step == (epoch + 1) * spe:
                self._evaluate()
                callbacks.on_epoch_end(epoch, state.history[-1])
                self.show()
                shown.pause(state.step)
                continue
            if state.step == self.total_steps or early_stopping.is_over(
                state.history, patience=self.stop_after
            ):
                return True
            self._stop_at_limit()
            if iterator is None:
                iterator = iter(self.distributed_stream())
            if state.step in state.passed_over:
                next(iterator)
                state.step += 1
                continue
            began = time.monotonic()
            count = length.steps(
                state.step,
                every=self.cut_every,
                cuts=((epoch + 1) * spe, *state.passed_over, *self.cut_at),
            )
            if not self._take_steps(loop, iterator, count):
                return False
            ended = time.monotonic()
            callbacks.on_train_batch_end((state.step - 1) % spe)
            state.legs[-1]["backup_seconds"] += time.monotonic() - ended
            self.show()
            said = log_lines.step(
                state,
                loss=self._mean_loss(),
                epochs=self.epochs,
                total_steps=self.total_steps,
                memory_mb=self.memory_mb(),
            )
            shown.update(state.step, said)
            length.adapt(ended - began)

    def _take_steps(self, loop, iterator, count):
        """Takes `count` steps and counts them; returns whether all are good."""
        state, began = self.state, time.monotonic()
        factor = self.rate_factor(state.history)
        losses, finite, waited = loop(
            iterator,
            tf.constant(state.step, tf.int64),
            tf.constant(count, tf.int32),
            tf.constant(factor, tf.float32),
        )
        losses, good = losses.numpy(), int(np.sum(finite.numpy()))
        # One at a time, so that the sum does not depend on the loop's length.
        for loss in losses[:good]:
            loss_trace.count_step(
                state,
                float(loss),
                steps_per_epoch=self.steps_per_epoch,
                rate_at=lambda step: self.step.schedule(step) * factor,
            )
        state.legs[-1]["last_step"] = state.step
        speed.count_loop(
            state.legs[-1],
            images=good * self.stream.batch_size,
            seconds=time.monotonic() - began,
            waited=float(waited),
            age=self.limits.age,
        )
        if good < count:
            bad_steps.note(
                state,
                loss=float(losses[good]),
                stream=self.stream,
                pass_over=self.go_back is not None,
            )
        return good == count

    def _evaluate(self):
        self.evaluation.add_epoch(
            self.state,
            loss=self._mean_loss(),
            ema_core=self.step.ema_core,
            memory_mb=self.memory_mb,
            on_batch=lambda images: self._stop_at_limit(),
        )
        row = self.state.history[-1]
        logging.info("%s", log_lines.epoch(row, epochs=self.epochs))

    def _mean_loss(self):
        return loss_trace.mean(self.state, steps_per_epoch=self.steps_per_epoch)

    @functools.cached_property
    def _workers(self):
        return Workers(self.step.strategy)

    def _stop_at_limit(self):
        stop = self.limits.reached(reserve=self.reserve_seconds())
        if self._workers.any(stop):  # All of them stop, or none does.
            raise StopError

    def distributed_stream(self) -> Iterable[dict]:
        """Returns the batches from the state's step on, over all replicas."""
        return workers.distribute(
            self.step.strategy,
            functools.partial(
                self.stream.dataset,
                self.state.step,
                self.total_steps,
                parallel_calls=self.parallel_calls,
            ),
        )
