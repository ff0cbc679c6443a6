"""Predicts the logits of a whole split, using all replicas."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from storage import UserError
from tfrecord_builder.records.dataset_info import DatasetInfo
from trainer.runtime import workers
from trainer.runtime.workers import Workers
from trainer.stream import eval_dataset, input_pipeline

# Labels and logits of each output; whether each example is not padding.
Results = tuple[dict[str, tf.Tensor], dict[str, tf.Tensor], tf.Tensor]


class SplitPredictor:
    """Predicts splits with a model.

    Args:
        strategy: Distributes the batches over the replicas.
        net: A keras.Model, or a function with the same signature: from the
            result of `preprocess` to a dict of [P, C] logits.
        preprocess: Applied to the [P, H, W, 1] uint8 images.
        info: The dataset.
        data_dir: Folder of its shards.
        batch_size: Global batch size, a multiple of the number of replicas.
        fetch: Maps paths of shards in `data_dir` to the paths to read them at.
    """

    def __init__(
        self,
        strategy: tf.distribute.Strategy,
        net: Any,
        *,
        preprocess: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
        info: DatasetInfo,
        data_dir: str,
        batch_size: int,
        fetch: Callable[[Sequence[str]], Sequence[str]] = tuple,
    ) -> None:
        self.strategy = strategy
        self.net = net
        self.preprocess = preprocess
        self.info = info
        self.data_dir = data_dir
        self.batch_size = batch_size
        self.fetch = fetch
        names = [output.name for output in info.outputs]

        def replica(features: dict[str, tf.Tensor]) -> Results:
            logits = net(preprocess(features["image"]), training=False)
            labels = {name: features[name] for name in names}
            # Workers cannot gather booleans.
            return labels, dict(logits), tf.cast(features["valid"], tf.int32)

        @tf.function
        def batch(features: dict[str, tf.Tensor]) -> Results:
            results = strategy.run(replica, args=(features,))
            return tf.nest.map_structure(
                lambda value: strategy.gather(value, axis=0), results
            )

        self._batch = batch

    def __call__(
        self,
        splits: tuple[str, ...],
        *,
        on_batch: Callable[[int], None] = lambda images: None,
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Returns labels and logits of every record of `splits`, in order.

        Args:
            splits: Names of splits of the dataset.
            on_batch: Called after each batch with its number of images. It may
                raise an error to stop. It is called with a negative number if
                images have to be predicted again.

        Returns:
            For each output, [N] int64 labels and [N, C] float32 logits.

        Raises:
            storage.UserError: A device has too little memory for one image.
        """
        seen = 0

        def count(images: int) -> None:
            nonlocal seen
            seen += images
            on_batch(images)

        while True:
            try:
                return self._predict(splits, count)
            except tf.errors.ResourceExhaustedError:
                self._halve()
                count(-seen)

    def _halve(self) -> None:
        """Halves the batch size after running out of memory; logits stay equal.

        Raises:
            storage.UserError: The batch has one image, or there are several
                workers.
        """
        replicas = self.strategy.num_replicas_in_sync
        size = self.batch_size // replicas
        message = f"out of memory when {size} images are predicted at a time"
        if size == 1 or Workers(self.strategy).count > 1:
            raise UserError(
                f"{message} on each device: use devices with more memory"
            ) from None
        self.batch_size = size // 2 * replicas
        logging.warning("%s: trying with %d", message.capitalize(), size // 2)

    def _predict(
        self, splits: tuple[str, ...], on_batch: Callable[[int], None]
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Predicts as __call__() does, without a change of the batch size."""
        paths = self.fetch(
            input_pipeline.shard_paths(self.info, self.data_dir, splits)
        )
        dataset = workers.distribute(
            self.strategy,
            functools.partial(
                eval_dataset.make,
                self.info,
                paths,
                batch_size=self.batch_size,
            ),
        )
        labels, logits = [], []
        for features in dataset:
            batch_labels, batch_logits, valid = self._batch(features)
            valid = valid.numpy() > 0
            labels.append(
                {k: v.numpy()[valid] for k, v in batch_labels.items()}
            )
            logits.append(
                {k: v.numpy()[valid] for k, v in batch_logits.items()}
            )
            on_batch(int(valid.sum()))
        return _concatenate(labels), _concatenate(logits)


def _concatenate(
    rows: Sequence[Mapping[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    return {name: np.concatenate([r[name] for r in rows]) for name in rows[0]}
