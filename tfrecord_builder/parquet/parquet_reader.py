"""Reads images from parquet files with one column per pixel.

    image_id, 0, 1, 2, … H*W-1       pixel (r, c) is in column r * W + c

    source = parquet_reader.open_source("DIR", "train_image_data_*.parquet")
    for rows in source.ranges(max_rows=10_000):
        images = source.read_pixels(rows)            # [n, H, W] uint8

Memory is bounded: a file of 32,332 columns is read in blocks of columns,
because each column is decoded separately. Each block is transposed into its
columns of the rows.
"""

import concurrent.futures
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

import storage
from storage import Folder, Spool, UserError
from tfrecord_builder.parquet import (
    background_sample,
    parquet_files,
    pixels,
    row_ranges,
)
from tfrecord_builder.parquet.parquet_files import ParquetFiles
from tfrecord_builder.parquet.row_ranges import ParquetFile, RowRange
from tfrecord_builder.records.background import Sides

# Size of a block of columns, 64 MiB. Memory holds three: a block as a table and
# as a matrix, and the next block that is being read.
BLOCK_BYTES = 64 << 20
# Size of a range: a row group of 50,210 images is read in one pass.
RANGE_BYTES = 1640 << 20
_MAX_BLOCK_COLUMNS = 2048


class Source:
    """The parquet files of one folder, all with the same pixel columns.

    Attributes:
        folder: The folder of the files; it can be a .zip.
        url: The folder's URL or path, as it was given.
        files: The files in natural order of their names.
        height: Height of the images in pixels.
        width: Width of the images in pixels.
    """

    def __init__(
        self,
        folder: Folder,
        names: Sequence[str],
        spool: Spool,
        size: Callable[[int, str], tuple[int, int]],
    ) -> None:
        self.folder = folder
        self.url = folder.url
        self._files = ParquetFiles(folder, names, spool)
        sizes = folder.list()
        files = {}
        # Backwards, so that the first file, which is read next, stays open.
        for i in reversed(range(len(names))):
            parquet = self._files.open(i)
            if not files:
                count = pixels.count_columns(parquet.schema_arrow)
                if not count:
                    raise UserError(
                        f"{self._files.where(i)}: no pixel columns in it; "
                        "expected image_id and the pixels 0, 1, 2, …: select "
                        "files of images with --input_glob"
                    )
                self.height, self.width = size(count, names[i])
            pixels.check_columns(
                parquet.schema_arrow,
                self.height * self.width,
                self._files.where(i),
            )
            metadata = parquet.metadata
            groups = tuple(
                metadata.row_group(g).num_rows
                for g in range(metadata.num_row_groups)
            )
            files[i] = ParquetFile(names[i], sizes[names[i]], groups)
            del parquet, metadata
        self.files = tuple(files[i] for i in range(len(names)))

    @property
    def num_images(self) -> int:
        return sum(sum(f.groups) for f in self.files)

    def scan(self) -> tuple[pa.LargeStringArray, Sides]:
        """Returns all image ids in file order, and the backgrounds of a sample.

        Both are read in one pass: opening a file of 32,332 columns takes 0.1 s.
        """
        ids, sides, size = [], Sides(), (self.height, self.width)
        for i in reversed(range(len(self.files))):
            ids.append(self._files.read_ids(i))
            sides += background_sample.count_sides(
                self._files, i, self.files[i].groups, size
            )
        return pa.concat_arrays(ids[::-1]), sides

    def read_file_ids(self, i: int) -> list[str]:
        """Returns the image ids of one file, in row order."""
        return self._files.read_ids(i).to_pylist()

    def digest(self, i: int) -> str:
        """Returns the sha256 of a file's bytes, in hex."""
        return self._files.digest(i)

    def ranges(self, max_rows: int) -> list[RowRange]:
        """Splits all rows into ranges; see row_ranges.py."""
        return row_ranges.cut(self.files, max_rows)

    def read_pixels(
        self,
        rows: RowRange,
        progress: Callable[[float], None] = lambda images: None,
    ) -> np.ndarray:
        """Returns the images of a range, [n, H, W] uint8.

        `progress` is called with the number of images that were just read, or
        fractions of it.
        """
        count, width = rows.stop - rows.start, self.height * self.width
        out = np.empty((count, width), np.uint8)
        start = 0
        for columns in self.column_blocks(rows):
            stop = start + len(columns)
            pixels.transpose(columns, out[:, start:stop])
            progress(count * len(columns) / width)
            start = stop
            del columns
        return out.reshape(count, self.height, self.width)

    def column_blocks(self, rows: RowRange) -> Iterator[np.ndarray]:
        """Yields the pixels of a range, [columns, n] uint8, in blocks."""
        width = self.height * self.width
        step = self._block_columns(rows)
        # The next block is decoded while this one is used.
        with concurrent.futures.ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(self._decode, rows, 0, step)
            for start in range(0, width, step):
                table = ahead.result()
                if start + step < width:
                    ahead = reader.submit(
                        self._decode, rows, start + step, step
                    )
                columns = pixels.to_columns(
                    table, self._files.where(rows.file), rows.first
                )
                del table
                yield columns
                del columns

    def _block_columns(self, rows: RowRange) -> int:
        """Returns the number of columns to decode at once."""
        parquet = self._files.open(rows.file)
        group_rows = self.files[rows.file].groups[rows.group]
        value_bytes = pixels.value_bytes(parquet.schema_arrow)
        step = BLOCK_BYTES // (group_rows * value_bytes)
        return min(_MAX_BLOCK_COLUMNS, max(64, step))

    def _decode(self, rows: RowRange, start: int, step: int) -> pa.Table:
        """Reads the pixel columns `start` to `start + step` of a range."""
        stop = min(start + step, self.height * self.width)
        names = [str(i) for i in range(start, stop)]
        with self._files.readable(rows.file) as parquet:
            table = parquet.read_row_group(rows.group, columns=names)
        if table.column_names != names:
            table = table.select(names)
        if table.num_rows == rows.stop - rows.start:
            return table
        return table.slice(rows.start, rows.stop - rows.start)


def open_source(
    input_dir: str | pathlib.Path,
    glob: str,
    *,
    height: int = 0,
    width: int = 0,
    guesses: Sequence[tuple[int, int]] = (),
    advice: str = "give their size with --source_height and --source_width",
    spool_dir: str | pathlib.Path | None = None,
    always_spool: bool = False,
) -> Source:
    """Opens the parquet files of a folder, a .zip or a gs:// prefix.

    Args:
        input_dir: The folder.
        glob: Pattern of the names to read; they are read in natural order.
        height: Height of the images in pixels; 0: the size is one of `guesses`.
        width: Width of the images in pixels.
        guesses: (height, width) pairs. The first whose number of pixels is the
            number of pixel columns is used.
        advice: What to do if none of them fits, for the error.
        spool_dir: Folder for copies of files that are not on a local disk;
            None: a temporary folder.
        always_spool: Whether to copy also files that are on a local disk.

    Raises:
        UserError: No file matches, a file is not valid, or no guess fits.
    """
    folder = storage.open_folder(input_dir)
    names = parquet_files.find_files(folder, glob)

    def size(columns: int, name: str) -> tuple[int, int]:
        if height and width:
            return height, width
        for guess in guesses:
            if guess[0] * guess[1] == columns:
                return guess
        raise UserError(
            f"{folder.url}/{name}: {columns} pixel columns, expected "
            + " or ".join(f"{h} x {w} = {h * w}" for h, w in guesses if h * w)
            + f"; {advice}"
        )

    spool = Spool(folder, spool_dir, always=always_spool)
    return Source(folder, names, spool, size)
