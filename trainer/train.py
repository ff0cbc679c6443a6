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
from collections.abc import Callable, Iterable, Mapping

import keras
import numpy as np
import tensorflow as tf
from absl import logging

import storage
from trainer import (
    input_pipeline,
    judge,
    metrics,
    plateau,
    progress,
    run_state,
)
from trainer import limits as limits_lib
from trainer import step as step_lib

_LOOP_SECONDS = 1.0
_LONGEST_LOOP = 200
_WORKERS_LOOP = 10
_SUM = tf.distribute.ReduceOp.SUM
_MOST_PASSED_OVER = 10
_ROWS_PER_EPOCH = 50  # of the trace of losses
# What a collective operation ends with when a worker does not answer.
_GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.DeadlineExceededError,
)


class BadStepError(storage.UserError):
    """A step whose loss or gradients are not finite, or explode."""


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
        judged: What the last evaluation gave: by name, labels and logits.
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
    stop_after: int = 0
    rate_factor: Callable[[list[dict]], float] = lambda history: 1.0
    cut_every: int = 0
    cut_at: tuple[int, ...] = ()
    memory_mb: Callable[[], int | None] = lambda: None
    reserve_seconds: Callable[[], float] = lambda: 0.0
    go_back: Callable[[], bool] | None = None
    show: Callable[[], None] = lambda: None
    judged: dict[str, tuple] = dataclasses.field(default_factory=dict)

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
            storage.UserError: Another worker is gone.
        """
        callbacks = keras.callbacks.CallbackList(
            callbacks, model=self.step.core
        )
        callbacks.on_train_begin()
        self.state.begin_leg(devices)
        self._say_start()
        self.show()
        loop = self.step.make_loop()
        try:
            while not self._run(loop, callbacks):
                self._go_back()
        except (limits_lib.StopError, BadStepError) as error:
            # Both leave a whole state; any other error may not.
            callbacks.on_train_end()
            if isinstance(error, BadStepError):
                raise
            return False
        except _GONE as error:
            if self._workers == 1:
                raise
            raise storage.UserError(
                "another worker of TF_CONFIG has ended or cannot be reached "
                f"({type(error).__name__}): start all of them again with the "
                "same command, and they go on from the last backup"
            ) from None
        callbacks.on_train_end()
        return True

    def _run(self, loop, callbacks):
        """Runs to the end, or to a bad step; returns whether it is the end."""
        state, spe = self.state, self.steps_per_epoch
        iterator = None
        shown = progress.Progress(
            self.total_steps,
            done=state.step,
            unit=("images", self.stream.batch_size),
        )
        length = self.steps_per_loop or 1
        if self._workers > 1:  # Their clocks would not agree on a length.
            length = self.steps_per_loop or _WORKERS_LOOP
        while True:
            epoch = len(state.history)
            if state.step == (epoch + 1) * spe:
                self._evaluate(epoch)
                callbacks.on_epoch_end(epoch, state.history[-1])
                self.show()
                shown.pause(state.step)
                continue
            if state.step == self.total_steps or plateau.is_over(
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
            count = min(length, self._steps_to_cut())
            if not self._take_steps(loop, iterator, count):
                return False
            seconds = time.monotonic() - began
            ended = time.monotonic()
            callbacks.on_train_batch_end((state.step - 1) % spe)
            state.legs[-1]["backup_seconds"] += time.monotonic() - ended
            self.show()
            if state.legs[-1]["seconds"] == 0:
                shown.pause(state.step)  # The first loop compiled.
            shown.update(
                state.step,
                f"epoch {epoch + 1}/{self.epochs} step {state.step}/"
                f"{self.total_steps} loss {self._mean_loss():.4f}"
                f"{self._machine()}",
            )
            if not self.steps_per_loop and self._workers == 1:
                length = _next_length(length, seconds)

    def _machine(self):
        """Returns what the progress line says of the machine."""
        said = f", waiting for input {_input_share(self.state.legs[-1]):.0%}"
        memory = self.memory_mb()
        return said if memory is None else f"{said}, {memory} MiB used"

    def _stop_at_limit(self):
        stop = self.limits.reached(reserve=self.reserve_seconds())
        if self._workers > 1:  # All of them stop, or none does.
            stop = float(self._sum_over_workers(tf.constant(float(stop)))) > 0
        if stop:
            raise limits_lib.StopError

    @functools.cached_property
    def _sum_over_workers(self):
        strategy = self.step.strategy

        @tf.function
        def summed(value):
            values = strategy.run(tf.identity, args=(value,))
            return strategy.reduce(_SUM, values, axis=None)

        return summed

    @property
    def _workers(self) -> int:
        """Processes that take the steps together."""
        strategy = self.step.strategy
        if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            return 1
        spec = strategy.cluster_resolver.cluster_spec()
        return max(1, sum(spec.num_tasks(job) for job in spec.jobs))

    def _steps_to_cut(self):
        """Returns the steps up to the next one that a loop must end at."""
        step, epoch = self.state.step, len(self.state.history)
        cuts = [(epoch + 1) * self.steps_per_epoch]
        cuts += [s for s in (*self.state.passed_over, *self.cut_at) if s > step]
        if self.cut_every:
            cuts.append((step // self.cut_every + 1) * self.cut_every)
        return min(cuts) - step

    def _mean_loss(self):
        """Returns the mean loss of the epoch's steps so far."""
        first = len(self.state.history) * self.steps_per_epoch
        passed = sum(s >= first for s in self.state.passed_over)
        passed -= sum(s >= self.state.step for s in self.state.passed_over)
        return self.state.loss_sum / max(1, self.state.step - first - passed)

    def _take_steps(self, loop, iterator, count):
        """Takes `count` steps and counts them; returns whether all are good."""
        state, began = self.state, time.monotonic()
        losses, finite, waited = loop(
            iterator,
            tf.constant(state.step, tf.int64),
            tf.constant(count, tf.int32),
            tf.constant(self.rate_factor(state.history), tf.float32),
        )
        losses, finite = losses.numpy(), finite.numpy()
        good = int(np.sum(finite))
        # One at a time, so that the sum does not depend on the loop's length.
        for loss in losses[:good]:
            self._trace(float(loss))
            state.loss_sum += float(loss)
            state.step += 1
        leg, seconds = state.legs[-1], time.monotonic() - began
        leg["last_step"] = state.step
        if leg["first_loop_seconds"] is None:
            leg["first_loop_seconds"] = seconds
            leg["seconds_to_first_loop"] = self.limits.age
        else:
            leg["images"] += good * self.stream.batch_size
            leg["seconds"] += seconds
            leg["input_seconds"] += float(waited)
        if good < count:
            self._note_bad_step(float(losses[good]))
        return good == count

    def _trace(self, loss):
        """Adds the loss of the step that the state is at to its trace."""
        state, spe = self.state, self.steps_per_epoch

        def row_of(step):
            return step // spe, step % spe * _ROWS_PER_EPOCH // spe

        trace = state.trace
        if not trace or row_of(trace[-1][0]) != row_of(state.step):
            rate = self.step.schedule(state.step)
            rate *= self.rate_factor(state.history)
            trace.append([state.step, 0, 0.0, float(rate)])
        trace[-1][1] += 1
        trace[-1][2] += loss

    def _note_bad_step(self, loss):
        """Adds the step that the state is at to the bad ones."""
        step = self.state.step
        bad = {
            "step": step,
            "loss": str(loss),
            "image_ids": self._image_ids(step),
            "passed_over": self.go_back is not None,
        }
        known = [b for b in self.state.bad_steps if b["step"] != step]
        self.state.bad_steps = [*known, bad]
        said = (
            f"step {step} cannot be taken: its loss is {loss}, too great, or "
            "its gradients are not finite. Its images: "
            f"{', '.join(bad['image_ids'])}"
        )
        if self.go_back is None:
            raise BadStepError(
                f"{said}. The state is as before it: look at the images, "
                "lower --learning_rate or raise --warmup_epochs (--restart), "
                "or pass over the batch with --on_nan=rollback"
            )
        logging.error("%s", said)
        if len(self.state.passed_over) > _MOST_PASSED_OVER:
            raise BadStepError(
                f"more than {_MOST_PASSED_OVER} steps are not finite, the "
                f"last one is {step}: lower --learning_rate or raise "
                "--warmup_epochs (--restart)"
            )

    def _go_back(self):
        """Goes back to the last backup; what is known since stays known."""
        state = self.state
        legs, bad_steps, before = state.legs, state.bad_steps, state.step
        found = self.go_back()
        state.legs, state.bad_steps = legs, bad_steps
        logging.warning(
            "Went back %s from step %d; passing over steps %s",
            f"to the backup at step {state.step}" if found else "nowhere",
            before,
            ", ".join(map(str, state.passed_over)),
        )

    def _image_ids(self, step):
        batches = self.stream.dataset(step, step + 1, with_keys=True)
        return [
            image_id.decode()
            for batch in batches.as_numpy_iterator()
            for image_id in batch["image_id"]
        ]

    def _evaluate(self, epoch):
        """Judges the epoch that is done and adds its row to the history."""
        state, began = self.state, time.monotonic()

        def on_batch(images):
            del images
            self._stop_at_limit()

        row = {
            "epoch": epoch + 1,
            "step": state.step,
            "loss": self._mean_loss(),
            "score": None,
        }
        for name, splits in self.splits.items():
            labels, logits = self.judge(splits, on_batch=on_batch)
            self.judged[name] = labels, logits
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
                "input_share": _input_share(leg),
                "memory_mb": self.memory_mb(),
            }
        )
        state.history.append(row)
        state.loss_sum = 0.0
        logging.info("%s", _describe(row, self.epochs))

    def _ema(self):
        return run_state.name_variables("ema", self.step.ema_core.weights)

    def distributed_stream(self) -> Iterable[dict]:
        """Returns the batches from the state's step on, over all replicas."""

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
            self.stream.batch_size,
        )


def _input_share(leg):
    """Returns the share of a leg's training time that waited for examples."""
    return leg["input_seconds"] / max(leg["seconds"], 1e-9)


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
