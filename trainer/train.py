"""The loop over steps and epochs.

  on_train_begin: the backup restores the run, if there is one
  again and again: evaluate an epoch that is done, or take the next steps
  on_train_end: the last save is waited for

Between two loops of steps the host looks up: it counts, saves when a save is
due, and stops where it was told to.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf
from absl import logging

import storage
from trainer import input_pipeline, judge, metrics, progress, run_state
from trainer import limits as limits_lib
from trainer import step as step_lib

_LOOP_SECONDS = 1.0
_LONGEST_LOOP = 200


class BadStepError(storage.UserError):
    """A step whose loss or gradients are not finite."""


class _StopError(Exception):
    """Leaves an evaluation that a limit interrupts."""


@dataclasses.dataclass
class Training:
    """A run from its first step, or from its backup, to its end.

    Attributes:
        stream: The training examples.
        step: The train step.
        state: What the run is; restored by the first callback.
        judge: Evaluates the moving average of the weights.
        splits: What is judged after each epoch: by name ("validation",
            "unseen"), the dataset's splits.
        output_weights: By output, its weight in the score.
        epochs: Epochs of the whole run.
        limits: When to stop before the end.
        steps_per_loop: Steps between two looks of the host; 0: about a
            second's.
        parallel_calls: Threads of the input pipeline; 0: as many as help.
        on_epoch: Called after each evaluated epoch, and once at the start.
    """

    stream: input_pipeline.TrainStream
    step: step_lib.Step
    state: run_state.RunState
    judge: judge.Judge
    splits: Mapping[str, tuple[str, ...]]
    output_weights: Mapping[str, float]
    epochs: int
    limits: limits_lib.Limits
    steps_per_loop: int = 0
    parallel_calls: int = 0
    on_epoch: Callable[[], None] = lambda: None

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
            BadStepError: A step was not finite; the state is as before it.
        """
        callbacks = keras.callbacks.CallbackList(
            callbacks, model=self.step.core
        )
        callbacks.on_train_begin()
        self.state.begin_leg(devices)
        self._say_start()
        self.on_epoch()
        try:
            self._run(callbacks)
        except (_StopError, BadStepError) as error:
            # Both leave a whole state; any other error may not.
            callbacks.on_train_end()
            if isinstance(error, BadStepError):
                raise
            return False
        callbacks.on_train_end()
        return True

    def _run(self, callbacks):
        state, spe = self.state, self.steps_per_epoch
        loop, iterator = self.step.make_loop(), None
        shown = progress.Progress(
            self.total_steps,
            done=state.step,
            unit=("images", self.stream.order.batch_size),
        )
        length = self.steps_per_loop or 1
        while True:
            epoch = len(state.history)
            if state.step == (epoch + 1) * spe:
                self._evaluate(epoch)
                callbacks.on_epoch_end(epoch, state.history[-1])
                self.on_epoch()
                shown.pause(state.step)
                continue
            if state.step == self.total_steps:
                return
            if self.limits.reached():
                raise _StopError
            if iterator is None:
                iterator = iter(self._distributed_stream())
            count = min(length, (epoch + 1) * spe - state.step)
            began = time.monotonic()
            self._take_steps(loop, iterator, count)
            seconds = time.monotonic() - began
            callbacks.on_train_batch_end((state.step - 1) % spe)
            shown.update(
                state.step,
                f"epoch {epoch + 1}/{self.epochs} step {state.step}/"
                f"{self.total_steps} loss "
                f"{state.loss_sum / (state.step - epoch * spe):.4f}",
            )
            if not self.steps_per_loop:
                length = _next_length(length, seconds)

    def _take_steps(self, loop, iterator, count):
        """Takes `count` steps and counts them."""
        state, began = self.state, time.monotonic()
        losses, finite = loop(
            iterator,
            tf.constant(state.step, tf.int64),
            tf.constant(count, tf.int32),
        )
        losses, finite = losses.numpy(), finite.numpy()
        good = int(np.sum(finite))
        # One at a time, so that the sum does not depend on the loop's length.
        for loss in losses[:good]:
            state.loss_sum += float(loss)
        state.step += good
        leg = state.legs[-1]
        leg["last_step"] = state.step
        leg["images"] += good * self.stream.order.batch_size
        leg["seconds"] += time.monotonic() - began
        if good < count:
            raise BadStepError(
                f"the loss of step {state.step} is {losses[good]}: lower "
                "--learning_rate or raise --warmup_epochs"
            )

    def _evaluate(self, epoch):
        """Judges the epoch that is done and adds its row to the history."""
        state, began = self.state, time.monotonic()

        def on_batch(images):
            del images
            if self.limits.signal:
                raise _StopError

        row = {
            "epoch": epoch + 1,
            "step": state.step,
            "loss": state.loss_sum / self.steps_per_epoch,
            "score": None,
        }
        for name, splits in self.splits.items():
            labels, logits = self.judge(splits, on_batch=on_batch)
            judged = metrics.judge(labels, logits, self.output_weights)
            prefix = "" if name == "validation" else f"{name}_"
            row[f"{prefix}score"] = judged["score"]
            for output, recall in judged["recall"].items():
                row[f"{prefix}recall_{output}"] = recall
        best = [r["score"] for r in state.history if r["score"] is not None]
        if row["score"] is None or row["score"] > max(best, default=-1.0):
            state.best = {
                name: run_state.to_numpy(variable)
                for name, variable in self._ema().items()
            }
        leg = state.legs[-1]
        state.speed.append(
            {
                "epoch": epoch + 1,
                "leg": leg["leg"],
                "images_per_second": leg["images"] / max(leg["seconds"], 1e-9),
                "evaluation_seconds": time.monotonic() - began,
            }
        )
        state.history.append(row)
        state.loss_sum = 0.0
        logging.info("%s", _describe(row, self.epochs))

    def _ema(self):
        return run_state.name_variables("ema", self.step.ema_core.weights)

    def _distributed_stream(self):
        def make(context):
            return self.stream.dataset(
                self.state.step,
                self.total_steps,
                replicas=context.num_replicas_in_sync,
                pipeline=context.input_pipeline_id,
                num_pipelines=context.num_input_pipelines,
                parallel_calls=self.parallel_calls,
            )

        return self.step.strategy.distribute_datasets_from_function(make)

    def _say_start(self):
        state = self.state
        where = (
            f"going on at step {state.step} of {self.total_steps} (leg "
            f"{state.legs[-1]['leg']})"
            if state.step
            else f"starting at step 0 of {self.total_steps}"
        )
        logging.info(
            "%s; %d training images, %d epochs of %d steps of %d",
            where[0].upper() + where[1:],
            self.stream.order.records,
            self.epochs,
            self.steps_per_epoch,
            self.stream.order.batch_size,
        )


def _next_length(length, seconds):
    """Returns a loop length nearer to _LOOP_SECONDS, at most doubled."""
    wanted = int(length * _LOOP_SECONDS / max(seconds, 1e-9))
    return max(1, min(wanted, 2 * length, _LONGEST_LOOP))


def _describe(row, epochs):
    figures = ", ".join(
        f"{name} {value:.4f}"
        for name, value in row.items()
        if name not in ("epoch", "step") and value is not None
    )
    return f"Epoch {row['epoch']}/{epochs} (step {row['step']}): {figures}"
