"""Reads records into batches: the training stream.

  plan of windows (order.py)
    -> their records in hash order, parsed as vectors (window_reader.py)
    -> [B, H, W, 1] uint8 images, labels, and random numbers for augmentation

Everything is a pure function of (seed, step): no iterator state is saved. A
start at any step reads at most one window of which a part is not used. A
training set that fits in one window is read once and stays in memory.
"""

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfrecord_builder.records.dataset_info import DatasetInfo, Shard
from trainer.stream import order as order_lib
from trainer.stream.order import Order
from trainer.stream.window_reader import WindowReader


@dataclasses.dataclass(frozen=True)
class TrainStream:
    """The training examples of a run.

    Attributes:
        info: The dataset.
        paths: Shard files of the training folds, in the order of the dataset.
        order: Which record is read at which step.
        draws: Number of random numbers per example, for augmentation.
        extra: A second stream; its batches are interleaved with the batches of
            this stream.
        fetch: Waits for shards that are being copied, and returns the paths to
            read them at. None: the shards are read at `paths`.
    """

    info: DatasetInfo
    paths: tuple[str, ...]
    order: Order
    draws: int
    extra: "TrainStream | None" = None
    fetch: Callable[[Sequence[bytes]], list[str]] | None = None

    @property
    def batch_size(self) -> int:
        """Number of examples in a step, including those of `extra`."""
        extra = self.extra.batch_size if self.extra else 0
        return self.order.batch_size + extra

    @tf.autograph.experimental.do_not_convert  # Nothing branches on tensors.
    def dataset(
        self,
        first_step: int,
        last_step: int,
        *,
        replicas: int = 1,
        pipeline: int = 0,
        num_pipelines: int = 1,
        parallel_calls: int = 0,
        with_keys: bool = False,
    ) -> tf.data.Dataset:
        """Returns the batches of steps [first_step, last_step).

        Args:
            first_step: The first step.
            last_step: The step after the last.
            replicas: Number of replicas; each element is one replica's share.
            pipeline: Which of `num_pipelines` equal parts of each global batch
                this process reads (each worker reads one part).
            num_pipelines: Number of parts that a global batch is split into.
            parallel_calls: Threads for reading and gathering; 0: tf.data
                chooses. They do not change what is read.
            with_keys: Whether to add "image_id" and "grapheme".

        Returns:
            A dataset of dicts: "image" [P, H, W, 1] uint8, one int64 [P] per
            output, "draws" [P, draws] float32 in [0, 1), "batch_index" [P]
            int64, the example's index in the global batch, where P = B /
            replicas. The elements are ordered by step, then by replica.
        """
        batch = self.batch_size
        parallel_calls = parallel_calls or tf.data.AUTOTUNE
        records = self._batches(
            first_step,
            last_step,
            parallel_calls=parallel_calls,
            with_keys=with_keys,
        )
        steps = tf.data.Dataset.range(first_step, last_step)
        seed = self.order.seed
        size = batch // num_pipelines

        def finish(
            step: tf.Tensor, features: dict[str, tf.Tensor]
        ) -> dict[str, tf.Tensor]:
            draws = step_draws(seed, step, (batch, self.draws))
            index = tf.range(batch, dtype=tf.int64)
            features = dict(features, draws=draws, batch_index=index)
            if num_pipelines == 1:
                return features
            start = pipeline * size
            return {k: v[start : start + size] for k, v in features.items()}

        dataset = tf.data.Dataset.zip(steps, records).map(
            finish, num_parallel_calls=parallel_calls
        )
        if replicas > num_pipelines:
            dataset = dataset.rebatch(batch // replicas, drop_remainder=True)
        # warm_start reads the first window while the host traces the step.
        return read_ahead(dataset, warm_start=True)

    def _batches(
        self, first_step: int, last_step: int, **options: Any
    ) -> tf.data.Dataset:
        """Returns the records of each step, parsed but otherwise unchanged."""
        reader = WindowReader(
            self.info, self.paths, self.order, self.fetch, **options
        )
        records = reader.records(self.order.plan(first_step, last_step))
        records = records.rebatch(self.order.batch_size, drop_remainder=True)
        if self.extra is None:
            return records
        extra = self.extra._batches(first_step, last_step, **options)
        # Spread evenly, so that every replica and mix group has its share.
        indices = order_lib.spread(self.order.batch_size, self.extra.batch_size)

        def interleave(
            main: dict[str, tf.Tensor], extra: dict[str, tf.Tensor]
        ) -> dict[str, tf.Tensor]:
            return {
                name: tf.gather(
                    tf.concat([main[name], extra[name]], 0), indices
                )
                for name in main
            }

        return tf.data.Dataset.zip(records, extra).map(
            interleave, num_parallel_calls=options["parallel_calls"]
        )


def step_draws(seed: int, step: tf.Tensor, shape: tuple[int, int]) -> tf.Tensor:
    """Returns the numbers in [0, 1) of step `step`, one row per example."""
    key = order_lib.key(seed, 2) >> 1
    return tf.random.stateless_uniform(
        shape, seed=[tf.constant(key, tf.int64), step], alg="philox"
    )


def make_train_stream(
    info: DatasetInfo,
    data_dir: str,
    splits: Sequence[str],
    *,
    batch_size: int,
    window_mb: int,
    seed: int,
    **options: Any,
) -> TrainStream:
    """Returns the stream of the examples of `splits`.

    Args:
        info: The dataset.
        data_dir: Its folder.
        splits: The splits to train on.
        batch_size: Number of examples in a step.
        window_mb: MiB of records that are shuffled together.
        seed: Seed of the order.
        **options: Other attributes of TrainStream.
    """
    shards = [shard for split in splits for shard in info.splits[split].shards]
    return TrainStream(
        info=info,
        paths=shard_paths(info, data_dir, splits),
        order=Order(
            [shard.records for shard in shards],
            batch_size=batch_size,
            shards_per_window=shards_per_window(shards, window_mb=window_mb),
            seed=seed,
        ),
        **options,
    )


def read_ahead(
    dataset: tf.data.Dataset, *, warm_start: bool = False
) -> tf.data.Dataset:
    """Returns `dataset` with prefetching, and one thread per core.

    tf.data does not tune the number of threads: its tuning thread often still
    sleeps when the iterator is closed, and closing waits for it, up to a minute
    (tensorflow/core/framework/model.cc, Model::OptimizeLoop).
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_warm_start = warm_start
    return dataset.prefetch(tf.data.AUTOTUNE).with_options(options)


def shards_per_window(shards: list[Shard], *, window_mb: int) -> int:
    """Returns how many shards fit in `window_mb` MiB, at least 1."""
    if sum(shard.bytes for shard in shards) <= window_mb << 20:
        return len(shards)
    largest = max(shard.bytes for shard in shards)
    return max(1, (window_mb << 20) // largest)


def shard_paths(
    info: DatasetInfo, data_dir: str, splits: Sequence[str]
) -> tuple[str, ...]:
    """Returns the paths of the shards of `splits`, in the dataset's order."""
    return tuple(
        os.path.join(data_dir, shard.name)
        for split in splits
        for shard in info.splits[split].shards
    )
