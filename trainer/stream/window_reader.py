"""Reads a plan of windows into records, in the order of training.

The records of a window are kept as serialized bytes. If one window holds the
whole dataset, it is parsed once and kept in memory.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfrecord_builder.records import example
from tfrecord_builder.records.dataset_info import DatasetInfo
from trainer.stream import order as order_lib
from trainer.stream.order import Order, Window

READ_BUFFER = 8 << 20  # 8 MiB
_MANY = 1 << 40  # More than the number of records in any dataset.


@dataclasses.dataclass(frozen=True)
class WindowReader:
    """Reads the windows of a plan.

    Attributes:
        info: The dataset.
        paths: Shard files, in the order of the dataset.
        order: The order that made the plan.
        fetch: See input_pipeline.TrainStream.
        parallel_calls: Threads for reading and gathering.
        with_keys: Whether to add "image_id" and "grapheme".
    """

    info: DatasetInfo
    paths: tuple[str, ...]
    order: Order
    fetch: Callable[[Sequence[bytes]], list[str]] | None
    parallel_calls: int
    with_keys: bool

    def records(self, plan: list[Window]) -> tf.data.Dataset:
        """Returns the features of the plan's records, in chunks.

        A chunk ends where a batch ends or where a window ends.
        """
        read = self._in_memory if self.order.in_memory else self._windowed
        return read(_plan_dataset(plan))

    def _in_memory(self, plan: tf.data.Dataset) -> tf.data.Dataset:
        """Returns chunks of the whole dataset in memory."""
        ends = tf.cumsum(tf.constant(self.order.shard_records))
        starts = tf.concat([[0], ends[:-1]], axis=0)

        def all_chunks(everything: dict[str, tf.Tensor]) -> tf.data.Dataset:
            def pick(rows: tf.Tensor) -> dict[str, tf.Tensor]:
                return {k: tf.gather(v, rows) for k, v in everything.items()}

            def chunks(window: dict[str, tf.Tensor]) -> tf.data.Dataset:
                rows = tf.ragged.range(
                    tf.gather(starts, window["shards"]),
                    tf.gather(ends, window["shards"]),
                ).flat_values
                return self._chunks(window, rows, pick)

            return plan.flat_map(chunks)

        # The dataset's records are one element, not a constant: so they are
        # read in the background, and graph optimisation does not copy them.
        return self._everything().flat_map(all_chunks)

    def _everything(self) -> tf.data.Dataset:
        """Returns a dataset of one element: all records, parsed."""

        def read(path: tf.Tensor) -> dict[str, tf.Tensor]:
            return self._parse(_read_shard(path))

        return (
            tf.data.Dataset.from_tensors(tf.constant(self.paths))
            .flat_map(
                lambda paths: tf.data.Dataset.from_tensor_slices(
                    self._fetch(paths)
                )
            )
            .map(read, num_parallel_calls=self.parallel_calls)
            .rebatch(sum(self.order.shard_records))
        )

    def _windowed(self, plan: tf.data.Dataset) -> tf.data.Dataset:
        """Returns chunks of one window after another.

        A window is kept as the bytes of its records: batching moves bytes
        instead of copying them. It is parsed one batch at a time, while the
        pixels of the batch are in the processor's cache.
        """
        paths = tf.constant(self.paths)

        def read(
            window: dict[str, tf.Tensor],
        ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
            local_paths = self._fetch(tf.gather(paths, window["shards"]))
            serialized = (
                tf.data.Dataset.from_tensor_slices(local_paths)
                .map(_read_shard, num_parallel_calls=self.parallel_calls)
                .unbatch()
                .batch(_MANY)
                .get_single_element()
            )
            return window, serialized

        def chunks(
            window: dict[str, tf.Tensor], serialized: tf.Tensor
        ) -> tf.data.Dataset:
            def pick(rows: tf.Tensor) -> dict[str, tf.Tensor]:
                chosen = tf.gather(serialized, rows)
                return self._parse(chosen)

            rows = tf.range(tf.size(serialized))
            return self._chunks(window, rows, pick)

        return plan.map(read).prefetch(1).flat_map(chunks)

    def _fetch(self, paths: tf.Tensor) -> tf.Tensor:
        """Returns the paths to read shards at; called once for each window."""
        if self.fetch is None:
            return paths
        local_paths = tf.numpy_function(
            lambda names: np.array(self.fetch(names.tolist()), object),
            [paths],
            tf.string,
            # A stateful map would run serially if op determinism is enabled.
            stateful=False,
        )
        return tf.ensure_shape(local_paths, [None])

    def _chunks(
        self,
        window: dict[str, tf.Tensor],
        rows: tf.Tensor,
        pick: Callable[[tf.Tensor], dict[str, tf.Tensor]],
    ) -> tf.data.Dataset:
        """Returns the window's records in hash order, cut at batch ends.

        Args:
            window: Scalars and shards of an order_lib.Window.
            rows: [n] int32, the window's records in the order of the shards.
            pick: Returns the features of some of `rows`.
        """
        batch = self.order.batch_size
        permutation = order_lib.window_permutation(window["key"], tf.size(rows))
        rows = tf.gather(rows, permutation)[window["skip"] :][: window["take"]]
        # The first chunk completes the batch that the window before began. So
        # all other chunks are complete batches, which rebatch does not copy.
        first = batch - window["position"] % batch
        count = 1 + tf.maximum(tf.size(rows) - first + batch - 1, 0) // batch

        def chunk(index: tf.Tensor) -> dict[str, tf.Tensor]:
            end = first + tf.cast(index, tf.int32) * batch
            return pick(rows[tf.maximum(end - batch, 0) : end])

        return tf.data.Dataset.range(tf.cast(count, tf.int64)).map(
            chunk, num_parallel_calls=self.parallel_calls
        )

    def _parse(self, serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        return example.parse_examples(
            serialized, info=self.info, with_keys=self.with_keys
        )


def _plan_dataset(plan: list[Window]) -> tf.data.Dataset:
    """Returns the plan as a tf.data dataset; each element is one window."""
    shards = tf.ragged.constant([w.shards for w in plan], dtype=tf.int32)
    scalars = {
        name: tf.constant([getattr(w, name) for w in plan], dtype)
        for name, dtype in {
            "key": tf.uint64,
            "skip": tf.int32,
            "take": tf.int32,
            "position": tf.int32,
        }.items()
    }
    # Not from_tensor_slices of the ragged tensor: its elements would have an
    # unknown row count, and the last windows of an epoch may be shorter.
    return tf.data.Dataset.range(len(plan)).map(
        lambda i: dict(
            {name: value[i] for name, value in scalars.items()},
            shards=shards[i],
        )
    )


def _read_shard(path: tf.Tensor) -> tf.Tensor:
    """Returns the records of a shard, [n] string."""
    return (
        tf.data.TFRecordDataset(path, buffer_size=READ_BUFFER)
        .batch(_MANY)
        .get_single_element()
    )
