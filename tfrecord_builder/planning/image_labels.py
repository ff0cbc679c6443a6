"""Joins the images of the parquet files with the labels of the csv."""

import numpy as np
import pyarrow as pa
from absl import logging

from storage import UserError
from tfrecord_builder.parquet.parquet_reader import Source
from tfrecord_builder.planning import image_ids
from tfrecord_builder.planning.image_ids import Ids
from tfrecord_builder.planning.labels import Labels


def find(
    source: Source, texts: pa.LargeStringArray, table: Labels, seed: int
) -> tuple[Ids, np.ndarray]:
    """Returns all images of the parquet files, with their graphemes.

    Args:
        source: The parquet files.
        texts: Their image ids, in order.
        table: The labels.
        seed: Seed of the order of the ids.

    Returns:
        The ids of N images; [N] int32, index of each image's grapheme.

    Raises:
        UserError: There is no image, an image has no labels, or an id occurs
            twice.
    """
    ids = image_ids.sort(texts, seed)
    ends = np.cumsum([sum(file.groups) for file in source.files])

    def file_of(image: int) -> str:
        return source.files[np.searchsorted(ends, image, "right")].name

    if doubled := ids.doubled():
        first, again, *_ = min(doubled, key=lambda indices: indices[1])
        raise UserError(
            f"{source.url}/{file_of(again)}: image {ids.texts[again]} occurs "
            f"twice, also in {file_of(first)}; each image needs its own id"
        )
    if not len(ids):
        raise UserError(f"{source.url}: its parquet files hold no images")
    rows = table.ids.find(ids)
    unlabelled = np.flatnonzero(rows < 0)
    if len(unlabelled):
        raise UserError(
            f"{source.url}: {len(unlabelled)} of {len(ids)} images have no "
            f"labels, the first is {ids.texts[unlabelled[0]]} in "
            f"{file_of(unlabelled[0])}; add a row for each to the label csv"
        )
    if len(ids) < len(table.ids):
        logging.warning(
            "%d of %d rows of the label csv have no image in %s",
            len(table.ids) - len(ids),
            len(table.ids),
            source.url,
        )
    return ids, table.codes[rows]
