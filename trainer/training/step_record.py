"""What a call of the compiled loop has done when it ends with an error.

A call takes many steps, and an error takes its results along. So the loop also
writes, into variables on the host, which update it began, which it ended, and
the losses.
"""

import contextlib
from collections.abc import Iterator, Sequence

import tensorflow as tf

from storage import UserError


class OutOfMemoryError(Exception):
    """The state is as before a step that memory is too small for.

    Attributes:
        losses: Of the steps that the call took before it.
    """

    def __init__(self, losses: list[float]):
        super().__init__(f"after {len(losses)} steps of a call")
        self.losses = losses


class StepRecord:
    """The steps of the call under way."""

    def __init__(self):
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
