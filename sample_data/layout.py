"""The competition's files: their names, their columns and how they are written.

    train_image_data_{0..}.parquet, test_image_data_{0..3}.parquet
        image_id (string), then "0" … "32331" (uint8, row-major 137 x 236);
        one row group, snappy, dictionary encoding
    train.csv              image_id, a label for each output, grapheme
    class_map.csv          component_type, label, component
    test.csv               row_id, image_id, component
    sample_submission.csv  row_id, target

Every file gets its name only when it is complete; train.csv is written last.
"""

import csv
import io
import pathlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import storage
from sample_data import graphemes
from sample_data.graphemes import Grapheme
from storage import whole_file

TRAIN_CSV = "train.csv"
NUM_TEST_FILES = 4
NUM_TEST_IMAGES = 12
_RECIPE = b"sample_data"  # the metadata key of a parquet file's recipe
# The order of a test image's rows in each file.
_COMPONENTS = ("consonant_diacritic", "grapheme_root", "vowel_diacritic")


def image_files(
    num_train_images: int, num_train_files: int
) -> Iterator[tuple[str, str, range]]:
    """Yields the parquet files: (name, "train" or "test", image indices)."""
    for split, total, files in (
        ("test", NUM_TEST_IMAGES, NUM_TEST_FILES),
        ("train", num_train_images, num_train_files),
    ):
        size, longer = divmod(total, files)
        start = 0
        for number in range(files):
            stop = start + size + (number < longer)
            name = f"{split}_image_data_{number}.parquet"
            yield name, split, range(start, stop)
            start = stop


def image_id(split: str, index: int) -> str:
    """Returns the id of an image: Train_0, Test_11."""
    return f"{split.capitalize()}_{index}"


def train_csv(table: Sequence[Grapheme], rows: np.ndarray) -> bytes:
    """Returns train.csv, where image i has the grapheme `table[rows[i]]`."""
    return _csv_bytes(
        ("image_id", *graphemes.OUTPUTS, "grapheme"),
        (
            (image_id("train", index), *table[row].labels, table[row].text)
            for index, row in enumerate(rows)
        ),
    )


def small_files() -> dict[str, bytes]:
    """Returns the files that are equal in every dataset: name -> bytes."""
    rows = [
        (f"{image_id('test', index)}_{component}", image_id("test", index))
        + (component,)
        for index in range(NUM_TEST_IMAGES)
        for component in _COMPONENTS
    ]
    return {
        "class_map.csv": graphemes.CLASS_MAP.read_bytes(),
        "test.csv": _csv_bytes(("row_id", "image_id", "component"), rows),
        "sample_submission.csv": _csv_bytes(
            ("row_id", "target"), ((row[0], 0) for row in rows)
        ),
    }


def take_columns(batches: Iterator[np.ndarray], num_images: int) -> np.ndarray:
    """Takes the images of one file from `batches`, as columns of pixels.

    Args:
        batches: [n, height, width] uint8; a batch never spans two files.

    Returns:
        [pixels, num_images] uint8.
    """
    images = next(batches)
    columns = np.empty((images[0].size, num_images), np.uint8)
    filled = 0
    while True:
        rows = images.reshape(len(images), -1)
        stop = filled + len(rows)
        for start in range(0, rows.shape[1], 512):  # Parts fit the cache.
            part = rows[:, start : start + 512]
            columns[start : start + 512, filled:stop] = part.T
        if stop == num_images:
            return columns
        filled, images = stop, next(batches)


def write_images(
    path: pathlib.Path, ids: list[str], columns: np.ndarray, recipe: str
) -> None:
    """Writes a parquet file with one row group.

    The table's columns are views of `columns`: nothing is copied.

    Args:
        columns: [pixels, images] uint8, C-contiguous.
        recipe: A text that identifies how the images were drawn; see
            read_recipe.
    """
    names = ["image_id", *map(str, range(len(columns)))]
    pixels = pa.py_buffer(columns)
    arrays = [pa.array(ids)]
    for start in range(0, columns.size, len(ids)):
        view = pixels.slice(start, len(ids))
        arrays.append(pa.Array.from_buffers(pa.uint8(), len(ids), [None, view]))
    table = pa.Table.from_arrays(arrays, names=names)
    table = table.replace_schema_metadata({_RECIPE: recipe})
    with whole_file.whole_file(path) as sink:
        pq.write_table(
            table, sink, row_group_size=len(ids), write_statistics=False
        )


def read_recipe(path: pathlib.Path) -> str | None:
    """Reads the recipe of a parquet file; None: it was not drawn here."""
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except pa.ArrowInvalid:
        return None
    return metadata.get(_RECIPE, b"").decode() or None


def write_bytes(path: pathlib.Path, data: bytes) -> None:
    """Writes a small file."""
    storage.write_whole(path, data)


def remove_partial(folder: pathlib.Path) -> None:
    """Removes the unfinished files of a killed run."""
    whole_file.remove_unfinished(folder)


def dataset_files(folder: pathlib.Path) -> list[str]:
    """Lists the dataset files in a folder, train.csv first."""
    wanted = {TRAIN_CSV, *small_files()}
    names = (
        path.name
        for path in (folder.iterdir() if folder.is_dir() else ())
        if path.name in wanted
        or path.match("train_image_data_*.parquet")
        or path.match("test_image_data_*.parquet")
    )
    return sorted(names, key=lambda name: (name != TRAIN_CSV, name))


def _csv_bytes(header: Sequence, rows: Iterable[Sequence]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
