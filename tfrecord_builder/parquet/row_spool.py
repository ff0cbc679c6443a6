"""Rows of parquet files with one column per pixel, in little memory.

    for group in row_spool.spool_groups(source, files=[0, 1]):
        images = group.read(0, 256)                  # [n, H, W] uint8

A row group can only be decoded as a whole, and those of the competition have
1.6 GB of pixels. So each block of columns is transposed and appended to a
scratch file on local disk; rows are then read from every block. Nothing is
decoded twice, and memory holds only one block.
"""

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator

import numpy as np

from storage import UserError
from tfrecord_builder.parquet import pixels
from tfrecord_builder.parquet.parquet_reader import Source
from tfrecord_builder.parquet.row_ranges import RowRange


class RowGroup:
    """The rows of one row group, in a scratch file.

    The file is removed with the object.

    Attributes:
        file: Index of the row group's file in `source.files`.
        image_ids: [n] ids.
    """

    def __init__(
        self,
        source: Source,
        rows: RowRange,
        image_ids: list[str],
    ) -> None:
        self.file = rows.file
        self.image_ids = image_ids
        self._shape = (source.height, source.width)
        self._widths: list[int] = []  # Pixel columns of each block.
        _check_space(len(image_ids) * source.height * source.width)
        self._scratch = tempfile.TemporaryFile()  # noqa: SIM115
        weakref.finalize(self, self._scratch.close)
        for columns in source.column_blocks(rows):
            block = np.empty(columns.shape[::-1], np.uint8)
            pixels.transpose(columns, block)
            self._widths.append(len(columns))
            del columns
            self._scratch.write(block.data)
        self._scratch.flush()

    def read(self, start: int, stop: int) -> np.ndarray:
        """Returns the images of the rows `start` to `stop`, [n, H, W] uint8."""
        height, width = self._shape
        images = np.empty((stop - start, height * width), np.uint8)
        column = 0
        for block_width in self._widths:
            skipped = column * len(self.image_ids)  # Bytes of earlier blocks.
            data = os.pread(
                self._scratch.fileno(),
                len(images) * block_width,
                skipped + start * block_width,
            )
            images[:, column : column + block_width] = np.frombuffer(
                data, np.uint8
            ).reshape(len(images), block_width)
            column += block_width
        return images.reshape(-1, height, width)


def spool_groups(source: Source, files: Iterable[int]) -> Iterator[RowGroup]:
    """Yields the row groups of some of the source's files, in order.

    Args:
        source: The parquet files.
        files: Indices into `source.files`, ascending.
    """
    ranges = source.ranges(max_rows=max(1, source.num_images))
    for file in files:
        ids = source.read_file_ids(file)
        for rows in ranges:
            if rows.file == file:
                stop = rows.first + rows.stop - rows.start
                yield RowGroup(source, rows, ids[rows.first : stop])


def _check_space(size: int) -> None:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < size:
        raise UserError(
            f"{folder}: no space for a row group's pixels: {size >> 20} MiB "
            f"needed, {free >> 20} MiB free; free some space, or set TMPDIR "
            "to a folder on another disk"
        )
