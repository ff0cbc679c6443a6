"""Predicts the images of parquet files, file by file.

    reading a row group -> batches of one size -> probabilities

Each stage works while the next one does: a row group is decoded to a scratch
file while the one before is predicted, and a batch is read ahead. No batch
spans two files, so that a file's predictions do not depend on which others
are predicted in the same process.
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
# Image ids, and by output [n, C] float32.
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
        predict: From [batch_size, H, W] uint8 to [batch_size, C] by output.
        batch_size: Images a batch, the last of a file padded.
        on_images: Called after each batch with the number of its images.

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
        # By its rows, not by the next file's first batch: that may fail.
        if len(ids) == sum(source.files[file].groups):
            whole = {k: np.concatenate([p[k] for p in parts]) for k in made}
            yield file, (ids, whole)
            ids, parts = [], []


def make_batches(
    groups: Iterable[RowGroup], *, batch_size: int
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Cuts the rows of groups, one after the other, into batches.

    Yields:
        The ids, `batch_size` of them but for the last batch, and the images
        [batch_size, H, W] uint8, zeros where ids are missing.
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
    """Yields the items; a thread makes the next one in the meantime."""
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        future = thread.submit(next, items, None)
        while (item := future.result()) is not None:
            future = thread.submit(next, items, None)
            yield item
            del item
