"""A step that the accelerator's memory is too small for.

A run may go on where there is less memory than where it began. The half of a
step that needs it, the gradients, changes no variable (train_step.py). So the
step is taken again from the same state, with half the examples at a time.

A call of the compiled loop takes many steps, and an error takes its results
along. So the loop also writes, into variables on the host, which update it
began, which it ended, and the losses.
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
    """The state is as before a step that memory is too small for.

    Attributes:
        losses: Of the steps that the call took before it.
    """

    def __init__(self, losses: list[float]) -> None:
        super().__init__(f"after {len(losses)} steps of a call")
        self.losses = losses


class StepRecord:
    """The steps of the call under way."""

    def __init__(self) -> None:
        with tf.device("CPU:0"):
            self._losses = tf.Variable(
                tf.zeros([0]), shape=[None], trainable=False
            )
            self._begun = tf.Variable(0, trainable=False)
            self._ended = tf.Variable(0, trainable=False)

    def reset(self, count: tf.Tensor) -> None:
        """Forgets the last call; this one takes `count` steps at most."""
        self._losses.assign(tf.zeros([count]))
        self._begun.assign(0)
        self._ended.assign(0)

    def begin(self, index: tf.Tensor, updated: tf.Tensor) -> tf.Tensor:
        """Notes, once `updated` is known, that step `index` changes variables.

        Returns:
            `updated`, known after the note is made.
        """
        with tf.control_dependencies([updated]):
            note = self._begun.assign(index + 1)
        with tf.control_dependencies([note]):
            return tf.identity(updated)

    def end(
        self, index: tf.Tensor, loss: tf.Tensor, *, after: Sequence[tf.Tensor]
    ) -> None:
        """Notes, once `after` is known, that a step is complete."""
        with tf.control_dependencies(after):
            written = self._losses.scatter_nd_update(
                tf.reshape(index, [1, 1]), tf.reshape(loss, [1])
            )
        with tf.control_dependencies([written]):
            self._ended.assign(index + 1)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watches over a call of the loop.

        Raises:
            OutOfMemoryError: Memory was too small for the gradients of a step.
            UserError: It was too small for an update, which changed a part of
                the variables.
        """
        try:
            yield
        except tf.errors.ResourceExhaustedError as error:
            ended = int(self._ended.numpy())
            if self._begun.numpy() != ended:
                reason = str(error).partition("\n")[0]
                raise UserError(
                    "out of memory in the update of the weights, which does "
                    "not depend on the batch: use a device with more memory; "
                    "the same command goes on from the last backup "
                    f"({reason})"
                ) from None
            losses = self._losses.numpy()[:ended].tolist()
            raise OutOfMemoryError(losses) from None


def halve(step: TrainStep, state: RunState, *, workers: int) -> TrainStep:
    """Returns the step with half the examples at a time; notes it in the leg.

    Args:
        step: What memory is too small for.
        state: The run.
        workers: Processes that take the steps together. Several cannot go
            back to one step together.

    Raises:
        BadStepError: The examples cannot be fewer.
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
            f"{message}, which is one group of {name}={group}, the least: use "
            "a device with more memory, or a smaller --backbone or input "
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
        "%s: taking the step again with %d, as --max_per_replica_batch=%d does",
        message.capitalize(),
        halved.part_size,
        halved.part_size,
    )
    return halved
