"""The processes that train together: one, or those of TF_CONFIG.

Each process reads its part of every batch, and all stop at the same step.
"""

import contextlib
import functools
import json
import os
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import tensorflow as tf

from storage import UserError

_TEXT_BYTES = 255
# Errors of a collective operation if a worker does not answer.
_GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.DeadlineExceededError,
)


def is_chief() -> bool:
    """Returns whether this process writes the results of the run.

    It reads TF_CONFIG, because the constructor of a strategy for several
    workers waits for all of them.
    """
    config = json.loads(os.environ.get("TF_CONFIG", "{}"))
    task = config.get("task", {})
    kind, index = task.get("type"), int(task.get("index", 0))
    if kind == "worker" and "chief" not in config.get("cluster", {}):
        return index == 0
    return kind in (None, "chief")


class Workers:
    """The workers of a strategy."""

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self.strategy = strategy
        self.count = 1
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            spec = strategy.cluster_resolver.cluster_spec()
            self.count = max(1, sum(map(spec.num_tasks, spec.jobs)))

    def any(self, flag: bool) -> bool:
        """Returns whether the flag of any worker is true; all must call it."""
        if self.count == 1:
            return flag
        return float(self._sum(tf.constant(float(flag)))) > 0

    def from_chief(self, text: str) -> str:
        """Returns the text of the chief; all workers must call it together.

        Args:
            text: At most 255 bytes; the texts of the other workers are ignored.
        """
        if self.count == 1:
            return text
        # Each replica of the chief adds the text and a 1; the 1s count the
        # replicas.
        values = np.zeros(_TEXT_BYTES + 1, np.float32)
        if is_chief():
            data = text.encode()
            values[: len(data)] = list(data)
            values[-1] = 1.0
        summed = self._sum(tf.constant(values)).numpy()
        data = np.rint(summed[:-1] / summed[-1]).astype(np.uint8)
        return data.tobytes().rstrip(b"\0").decode()

    @functools.cached_property
    def _sum(self) -> Callable[[tf.Tensor], tf.Tensor]:
        strategy = self.strategy

        @tf.function
        def summed(value: tf.Tensor) -> tf.Tensor:
            values = strategy.run(tf.identity, args=(value,))
            return strategy.reduce(
                tf.distribute.ReduceOp.SUM, values, axis=None
            )

        return summed

    @contextlib.contextmanager
    def missed(self) -> Iterator[None]:
        """A context in which errors of the connection become a UserError.

        Raises:
            UserError: Another worker has ended or cannot be reached.
        """
        try:
            yield
        except _GONE as error:
            if self.count == 1:
                raise
            raise UserError(
                "another worker of TF_CONFIG has ended or cannot be reached "
                f"({type(error).__name__}): start all of them again with the "
                "same command, and they resume from the last backup"
            ) from None


def distribute(
    strategy: tf.distribute.Strategy, make: Callable[..., tf.data.Dataset]
) -> Iterable[dict]:
    """Returns the batches of a dataset, over all replicas.

    Args:
        strategy: Distributes them.
        make: Returns this worker's part. It is called with `replicas`,
            `pipeline` and `num_pipelines`, see TrainStream.dataset().
    """

    def make_part(context: tf.distribute.InputContext) -> tf.data.Dataset:
        return make(
            replicas=context.num_replicas_in_sync,
            pipeline=context.input_pipeline_id,
            num_pipelines=context.num_input_pipelines,
        )

    return strategy.distribute_datasets_from_function(make_part)
