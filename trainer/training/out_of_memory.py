"""Steps that need more memory than the accelerator has.

A run may resume on a device with less memory. The part of a step that needs the
memory, the gradients, changes no variable (train_step.py). So the step is
repeated from the same state, with half the examples at a time.

A call of the compiled loop runs many steps, and after an error its results are
lost. So the loop also writes to variables on the host which update it began,
which update it ended, and the losses.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

import tensorflow as tf
from absl import logging

from storage import UserError
from trainer.runtime.run_state import RunState
from trainer.training import parts
from trainer.training.bad_steps import BadStepError
from trainer.training.train_step import TrainStep


class OutOfMemoryError(Exception):
    """A step needs too much memory; the state is that before the step.

    Attributes:
        losses: Losses of the steps that the call completed before it.
    """

    def __init__(self, losses: list[float]) -> None:
        super().__init__(f"after {len(losses)} steps of a call")
        self.losses = losses


class StepRecord:
    """Records the steps of the current call of the loop."""

    def __init__(self) -> None:
        with tf.device("CPU:0"):
            self._losses = tf.Variable(
                tf.zeros([0]), shape=[None], trainable=False
            )
            self._begun = tf.Variable(0, trainable=False)
            self._ended = tf.Variable(0, trainable=False)

    def reset(self, count: tf.Tensor) -> None:
        """Clears the record for a new call of at most `count` steps."""
        self._losses.assign(tf.zeros([count]))
        self._begun.assign(0)
        self._ended.assign(0)

    def begin(self, index: tf.Tensor, updated: tf.Tensor) -> tf.Tensor:
        """Records, when `updated` is known, that step `index` has an update.

        Returns:
            `updated`; it is available only after the record is written.
        """
        with tf.control_dependencies([updated]):
            note = self._begun.assign(index + 1)
        with tf.control_dependencies([note]):
            return tf.identity(updated)

    def end(
        self, index: tf.Tensor, loss: tf.Tensor, *, after: Sequence[tf.Tensor]
    ) -> None:
        """Records that a step is complete, once `after` is known."""
        with tf.control_dependencies(after):
            written = self._losses.scatter_nd_update(
                tf.reshape(index, [1, 1]), tf.reshape(loss, [1])
            )
        with tf.control_dependencies([written]):
            self._ended.assign(index + 1)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Converts out-of-memory errors of a call of the loop.

        Raises:
            OutOfMemoryError: There was too little memory for the gradients of a
                step.
            UserError: There was too little memory for an update, which may have
                changed some of the variables.
        """
        try:
            yield
        except tf.errors.ResourceExhaustedError as error:
            ended = int(self._ended.numpy())
            if self._begun.numpy() != ended:
                reason = str(error).partition("\n")[0]
                raise UserError(
                    "out of memory in the update of the weights, which does "
                    "not depend on the batch size: use a device with more "
                    "memory; the same command resumes from the last backup "
                    f"({reason})"
                ) from None
            losses = self._losses.numpy()[:ended].tolist()
            raise OutOfMemoryError(losses) from None


def halve(step: TrainStep, state: RunState, *, workers: int) -> TrainStep:
    """Returns a step that computes half the examples at a time.

    The leg records the new number.

    Args:
        step: The step that needs too much memory.
        state: The run.
        workers: Number of processes that train together. Several cannot repeat
            a step together.

    Raises:
        BadStepError: The number of examples cannot be halved, or there are
            several workers.
    """
    size, mix_group = step.part_size, step.augmentation.mix_group
    group = step.norm_group or mix_group
    message = (
        f"out of memory at step {state.step} with {size} examples at a time "
        "on each device"
    )
    if size == group:
        name = "--norm_group" if step.norm_group else "--mix_group"
        raise BadStepError(
            f"{message}, which is one group of {name}={group}, the minimum: "
            "use a device with more memory, or a smaller --backbone or input "
            "(--restart)"
        )
    limit = max(group, size // 2)
    if workers > 1:
        raise BadStepError(
            f"{message}: start all workers of TF_CONFIG again with "
            f"--max_per_replica_batch={limit}"
        )
    count = parts.count(
        step.parts * size,
        limit=limit,
        mix_group=mix_group,
        norm_group=step.norm_group,
    )
    halved = dataclasses.replace(step, parts=count)
    state.count_out_of_memory(halved.part_size)
    logging.warning(
        "%s: repeating the step with %d, as with --max_per_replica_batch=%d",
        message.capitalize(),
        halved.part_size,
        halved.part_size,
    )
    return halved
