"""Predicts the images of parquet files, file by file.

    reading a row group -> batches of one size -> probabilities

The stages run in parallel: a row group is decoded to a scratch file while the
one before is predicted, and the next batch is read. No batch contains images of
two files, so that the predictions of a file do not depend on the other files
that the process predicts.
"""

import concurrent.futures
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from tfrecord_builder.parquet import row_spool
from tfrecord_builder.parquet.parquet_reader import Source
from tfrecord_builder.parquet.row_spool import RowGroup
from trainer.inference.ensemble import Predict

_T = TypeVar("_T")
# Image ids, and [n, C] float32 for each output.
Probabilities = tuple[list[str], dict[str, np.ndarray]]


def predict_files(
    source: Source,
    files: Sequence[int],
    predict: Predict,
    *,
    batch_size: int,
    on_images: Callable[[int], None] = lambda images: None,
) -> Iterator[tuple[int, Probabilities]]:
    """Predicts some of the source's files.

    Args:
        source: The parquet files.
        files: Indices into `source.files`, ascending, of files that have rows.
        predict: Maps [batch_size, H, W] uint8 to [batch_size, C] for each
            output.
        batch_size: Number of images in a batch; the last batch of a file is
            padded.
        on_images: Called after each batch with its number of images.

    Yields:
        The file's index, its image ids and their probabilities.
    """
    groups = ahead(row_spool.spool_groups(source, files))
    batches = ahead(
        (file, batch)
        for file, same in itertools.groupby(groups, key=lambda g: g.file)
        for batch in make_batches(same, batch_size=batch_size)
    )
    ids, parts = [], []
    for file, (batch_ids, images) in batches:
        made = predict(images)
        ids += batch_ids
        parts.append({k: v[: len(batch_ids)] for k, v in made.items()})
        on_images(len(batch_ids))
        # Count rows: waiting for the next file's first batch may fail.
        if len(ids) == sum(source.files[file].groups):
            whole = {k: np.concatenate([p[k] for p in parts]) for k in made}
            yield file, (ids, whole)
            ids, parts = [], []


def make_batches(
    groups: Iterable[RowGroup], *, batch_size: int
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Splits the rows of groups, one after the other, into batches.

    Yields:
        The ids, `batch_size` of them except in the last batch, and the images
        [batch_size, H, W] uint8, zeros where there is no id.
    """
    ids: list[str] = []
    batch = None
    for group in groups:
        start = 0
        while start < len(group.image_ids):
            stop = min(start + batch_size - len(ids), len(group.image_ids))
            images = group.read(start, stop)
            if batch is None:
                batch = np.zeros((batch_size, *images.shape[1:]), np.uint8)
            batch[len(ids) : len(ids) + len(images)] = images
            ids += group.image_ids[start:stop]
            start = stop
            if len(ids) == batch_size:
                yield ids, batch
                ids, batch = [], None
    if batch is not None:
        yield ids, batch


def ahead(items: Iterator[_T]) -> Iterator[_T]:
    """Yields the items; a thread makes the next item at the same time."""
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        future = thread.submit(next, items, None)
        while (item := future.result()) is not None:
            future = thread.submit(next, items, None)
            yield item
            del item
