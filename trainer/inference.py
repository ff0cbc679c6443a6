"""Predicts the class of every output for the images of parquet files.

    reading a block of rows -> batches of one size -> argmax of the logits

Each stage works while the next one does: a block is read ahead while the last
one is predicted, so two blocks are in memory at most.
"""

import concurrent.futures
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from storage import UserError
from tfrecord_builder import parquet_reader, resize
from trainer import submission

_LOG_SECONDS = 10.0  # between two lines of progress
_T = TypeVar("_T")
Batch = tuple[list[str], np.ndarray]  # image ids, [B, H, W, 1] uint8
Classify = Callable[[np.ndarray], dict[str, np.ndarray]]


def predict_source(
    source: parquet_reader.Source,
    classify: Classify,
    *,
    outputs: list[str],
    resize_spec: Mapping | None,
    batch_size: int,
    block_bytes: int,
) -> submission.Predictions:
    """Predicts all images of `source`.

    Args:
        source: The parquet files.
        classify: See make_classifier.
        outputs: Names of the model's outputs.
        resize_spec: What the builder did to the images; see resize.py.
        batch_size: Images a batch, the last one padded.
        block_bytes: Pixels read at a time, in bytes.

    Raises:
        UserError: An id is there twice, a file is damaged, or the model gives
            no finite number.
    """
    predictions = submission.Predictions(outputs)
    total = source.num_images
    start = logged = time.monotonic()
    blocks = ahead(source.blocks(block_bytes))
    batches = make_batches(
        blocks, batch_size=batch_size, resize_spec=resize_spec
    )
    for image_ids, images in ahead(batches):
        classes = classify(images)
        predictions.add(
            image_ids, {k: v[: len(image_ids)] for k, v in classes.items()}
        )
        now = time.monotonic()
        if now - logged >= _LOG_SECONDS:
            logged, done = now, len(predictions)
            speed = done / (now - start)
            logging.info(
                "%d of %d images, %.0f images/s, %.0f s left",
                done,
                total,
                speed,
                (total - done) / speed,
            )
    return predictions


def make_classifier(
    model: keras.Model, *, batch_shape: tuple[int, int, int, int]
) -> Classify:
    """Returns a function from a batch to the classes of each output.

    Args:
        model: From uint8 images to a dict of logits by output.
        batch_shape: [B, H, W, 1], of every batch: one graph serves them all.

    Returns:
        A function of [B, H, W, 1] uint8 to, by output, [B] int32 classes.

    Raises:
        UserError: (that function) A logit is not finite.
    """

    @tf.function(input_signature=[tf.TensorSpec(batch_shape, tf.uint8)])
    def step(images):
        logits = model(images, training=False)
        classes = {
            name: tf.argmax(value, axis=-1, output_type=tf.int32)
            for name, value in logits.items()
        }
        finite = [
            tf.reduce_all(tf.math.is_finite(value)) for value in logits.values()
        ]
        return classes, tf.reduce_all(tf.stack(finite))

    def classify(images: np.ndarray) -> dict[str, np.ndarray]:
        classes, finite = step(images)
        if not finite:
            raise UserError(
                "the model's logits are not all finite numbers: expected a "
                "model of a run that ended well; train it again"
            )
        return {name: value.numpy() for name, value in classes.items()}

    return classify


def make_batches(
    blocks: Iterable[tuple[list[str], np.ndarray]],
    *,
    batch_size: int,
    resize_spec: Mapping | None,
) -> Iterator[Batch]:
    """Cuts blocks of rows, [n, H, W] uint8, into batches of one size.

    Yields:
        The ids, `batch_size` of them but for the last batch, and the images
        [batch_size, h, w, 1] uint8, resized, the last ones zeros where ids
        are missing.
    """
    ids, batch = [], None
    for block_ids, images in blocks:
        place = 0
        while place < len(block_ids):
            count = min(batch_size - len(ids), len(block_ids) - place)
            part = resize.resize_images(
                images[place : place + count], resize_spec
            )
            if batch is None:
                batch = np.zeros((batch_size, *part.shape[1:], 1), np.uint8)
            batch[len(ids) : len(ids) + count, ..., 0] = part
            ids += block_ids[place : place + count]
            place += count
            if len(ids) == batch_size:
                yield ids, batch
                ids, batch = [], None
    if ids:
        yield ids, batch


def ahead(items: Iterator[_T]) -> Iterator[_T]:
    """Yields the items; a thread makes the next one in the meantime."""
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        future = thread.submit(next, items, None)
        while (item := future.result()) is not None:
            future = thread.submit(next, items, None)
            yield item
