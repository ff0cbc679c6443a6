"""Finds the background of a parquet file's images from a few of its pixels.

A column can only be decoded as a whole. So it reads only a few columns, from
row groups spread over the file: at most 128 of the competition's 32,332.
"""

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np

from storage import UserError
from tfrecord_builder.parquet import pixels
from tfrecord_builder.parquet.parquet_files import ParquetFiles
from tfrecord_builder.records import background
from tfrecord_builder.records.background import Sides

_LEAST_GROUPS = 4  # At least so many row groups of a file are read.
_IMAGES = 1024  # Approximate number of images of a file that are read.
# One of 64 pixels is read at the border, and as many all over the image.
_SHARE = 64
_LEAST_PIXELS, _MOST_PIXELS = 16, 64
_MOST_INSET = 3  # Pixels at the edge are ignored: they may show a frame.


def count_sides(
    files: ParquetFiles, i: int, groups: Sequence[int], size: tuple[int, int]
) -> Sides:
    """Counts a sample of a file's images by their background.

    Args:
        files: The parquet files.
        i: The index of the file.
        groups: Number of rows of each of its row groups.
        size: Height and width of the images.

    Returns:
        The counts of the sample; they depend only on the file. Row groups that
        cannot be read are ignored here: the build reports them.
    """
    border, everywhere = border_pixels(*size), inner_pixels(*size)
    columns = sorted({*border, *everywhere})
    names = [str(column) for column in columns]
    at_border = np.searchsorted(columns, border)
    sides = Sides()
    for group, step in _choose_groups(groups):
        with contextlib.suppress(UserError), files.readable(i) as parquet:
            table = parquet.read_row_group(group, columns=names).select(names)
            rows = np.arange(0, table.num_rows, step)
            matrix = pixels.to_columns(table.take(rows), files.where(i), 0)
            sides += background.count(matrix[at_border], matrix)
    return sides


def _choose_groups(groups: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yields row groups of a file, and the distance of the rows to read."""
    filled = [group for group, rows in enumerate(groups) if rows]
    images = sum(groups)
    if not filled:
        return
    enough = -(-_IMAGES * len(filled) // images)
    number = min(len(filled), max(_LEAST_GROUPS, enough))
    for k in range(number):
        group = filled[k * (len(filled) - 1) // max(1, number - 1)]
        yield group, max(1, groups[group] * number // _IMAGES)


def border_pixels(height: int, width: int) -> list[int]:
    """Returns pixel columns all around the border of an image."""
    inset = min(_MOST_INSET, min(height, width) // 16)
    rows = np.arange(inset, height - inset) * width
    columns = np.arange(inset, width - inset)
    around = np.concatenate(
        [
            rows[0] + columns,
            rows[1:] + columns[-1],
            (rows[-1] + columns[:-1])[::-1],
            (rows[1:-1] + columns[0])[::-1],
        ]
    )
    # An image with one row or column has each of its pixels twice here.
    around = list(dict.fromkeys(around.tolist()))
    number = min(len(around), _num_pixels(height, width))
    return [around[k * len(around) // number] for k in range(number)]


def inner_pixels(height: int, width: int) -> list[int]:
    """Returns pixel columns spread evenly over an image."""
    number = _num_pixels(height, width)
    # Steps of the golden ratio (610 / 987) spread over the whole width.
    return [
        (2 * k + 1) * height // (2 * number) * width
        + k * 610 % 987 * width // 987
        for k in range(number)
    ]


def _num_pixels(height: int, width: int) -> int:
    return min(_MOST_PIXELS, max(_LEAST_PIXELS, height * width // _SHARE))
