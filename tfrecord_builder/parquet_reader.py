"""Reads images from parquet files of one column a pixel, in bounded memory.

    image_id, 0, 1, 2, … H*W-1       pixel (r, c) is in column r * W + c

    source = parquet_reader.open_source("DIR", "train_image_data_*.parquet")
    for image_ids, images in source.blocks():        # [n, H, W] uint8
        …

A file of 32,332 columns is read in blocks of columns, since each column is
decoded by itself; each block is transposed into its place in the rows.
"""

import concurrent.futures
import contextlib
import dataclasses
import fnmatch
import pathlib
import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import storage
from storage import UserError
from tfrecord_builder import pixels

# Pixels decoded at once. A block is held three times: as a table, as a matrix
# of columns, and the next one being read.
BLOCK_BYTES = 64 << 20
# Rows of one range: what a row group of 50,210 images needs, in one pass.
RANGE_BYTES = 1640 << 20
_MAX_BLOCK_COLUMNS = 2048


@dataclasses.dataclass(frozen=True)
class RowRange:
    """Rows `start` to `stop` of one row group of one file.

    Attributes:
        file: Place of the file in `Source.files`.
        group: The row group.
        start: First row within the row group.
        stop: First row behind the range, within the row group.
        first: The first row's place in the file.
    """

    file: int
    group: int
    start: int
    stop: int
    first: int


@dataclasses.dataclass(frozen=True)
class ParquetFile:
    """One file: where it lies and the rows of each row group."""

    name: str
    path: pathlib.Path
    groups: tuple[int, ...]


class Source:
    """The parquet files of one folder, all with the same pixel columns."""

    def __init__(self, folder: storage.Folder, names: list[str], size):
        self.url = folder.url
        self._paths = [folder.path / name for name in names]
        self._opened: tuple[int, pq.ParquetFile] | None = None
        files = []
        # Backwards, so that the first file, which is read next, stays open.
        for i in reversed(range(len(names))):
            parquet = self._open(i)
            if i == len(names) - 1:
                columns = _pixel_columns(parquet)
                self.height, self.width = size(len(columns), names[i])
            _check_columns(parquet, self.height * self.width, self._paths[i])
            metadata = parquet.metadata
            groups = tuple(
                metadata.row_group(g).num_rows
                for g in range(metadata.num_row_groups)
            )
            files.append(ParquetFile(names[i], self._paths[i], groups))
            del parquet, metadata
        self.files = tuple(reversed(files))

    @property
    def num_images(self) -> int:
        return sum(sum(f.groups) for f in self.files)

    def read_ids(self) -> list[list[str]]:
        """Returns the image ids of each file, in row order."""
        ids = [self._read_ids(i) for i in reversed(range(len(self.files)))]
        return ids[::-1]

    def ranges(self, max_bytes: int = RANGE_BYTES) -> list[RowRange]:
        """Cuts all rows into ranges of at most `max_bytes` pixels."""
        most = max(1, max_bytes // (self.height * self.width))
        ranges = []
        for i, file in enumerate(self.files):
            first = 0
            for group, rows in enumerate(file.groups):
                parts = -(-rows // most)
                edges = [rows * k // parts for k in range(parts + 1)]
                ranges += [
                    RowRange(i, group, a, b, first + a)
                    for a, b in zip(edges[:-1], edges[1:], strict=True)
                ]
                first += rows
        return ranges

    def blocks(
        self, max_bytes: int = 256 << 20
    ) -> Iterator[tuple[list[str], np.ndarray]]:
        """Yields (image ids, [n, H, W] uint8) of all rows in their order."""
        for i in range(len(self.files)):
            ids = self._read_ids(i)
            for rows in self.ranges(max_bytes):
                if rows.file == i:
                    stop = rows.first + rows.stop - rows.start
                    yield ids[rows.first : stop], self.read_pixels(rows)

    def read_pixels(self, rows: RowRange) -> np.ndarray:
        """Returns the images of a range, [n, H, W] uint8."""
        parquet = self._open(rows.file)
        where = self._paths[rows.file]
        count = rows.stop - rows.start
        out = np.empty((count, self.height * self.width), np.uint8)
        group_rows = self.files[rows.file].groups[rows.group]
        step = min(_MAX_BLOCK_COLUMNS, max(64, BLOCK_BYTES // group_rows))
        starts = range(0, out.shape[1], step)

        def decode(start: int) -> pa.Table:
            names = [
                str(i) for i in range(start, min(start + step, out.shape[1]))
            ]
            with _readable(where):
                table = parquet.read_row_group(rows.group, columns=names)
            return table.slice(rows.start, count).select(names)

        # The next block is decoded while this one is transposed.
        with concurrent.futures.ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(decode, 0)
            for start in starts:
                table = ahead.result()
                if start + step < out.shape[1]:
                    ahead = reader.submit(decode, start + step)
                columns = pixels.to_columns(table, where, rows.first)
                del table
                pixels.transpose(columns, out[:, start : start + len(columns)])
        return out.reshape(count, self.height, self.width)

    def _open(self, i: int) -> pq.ParquetFile:
        """Opens a file; the last one stays open (a footer has 5-13 MB)."""
        if self._opened is None or self._opened[0] != i:
            self._opened = None
            with _readable(self._paths[i]):
                self._opened = (i, pq.ParquetFile(self._paths[i]))
        return self._opened[1]

    def _read_ids(self, i: int) -> list[str]:
        parquet = self._open(i)
        with _readable(self._paths[i]):
            column = parquet.read(columns=["image_id"]).column("image_id")
        if column.null_count:
            row = column.is_null().to_pylist().index(True)
            raise UserError(f"{self._paths[i]}: row {row}: image_id is null")
        return column.cast(pa.string()).to_pylist()


def open_source(
    input_dir,
    glob: str,
    *,
    height: int = 0,
    width: int = 0,
    guesses: tuple[tuple[int, int], ...] = (),
) -> Source:
    """Opens the parquet files of a folder.

    Args:
        input_dir: The folder.
        glob: Which of its files to read; they are read in natural order.
        height: Height of the images in pixels; 0: it is one of `guesses`.
        width: Width in pixels.
        guesses: (height, width) pairs; the first with as many pixels as the
            files have pixel columns is taken.
    """
    folder = storage.open_folder(input_dir)
    if folder.path is None or not folder.path.is_dir():
        raise UserError(f"{folder.url}: no such folder (--input_dir)")
    files = folder.list()
    names = sorted(fnmatch.filter(files, glob), key=_natural)
    if not names:
        raise UserError(
            f"{folder.url}: no file named {glob} in it; it holds "
            f"{', '.join(sorted(files)[:8]) or 'nothing'}; name others by "
            "--input_glob"
        )

    def size(columns: int, name: str) -> tuple[int, int]:
        if height and width:
            return height, width
        for guess in guesses:
            if guess[0] * guess[1] == columns:
                return guess
        raise UserError(
            f"{folder.url}/{name}: {columns} pixel columns, expected "
            + " or ".join(f"{h} x {w} = {h * w}" for h, w in guesses)
            + "; give the images' size by --source_height and --source_width"
        )

    return Source(folder, names, size)


def _pixel_columns(parquet: pq.ParquetFile) -> set[int]:
    names = parquet.schema_arrow.names
    found = {int(name) for name in names if name.isdecimal()}
    # A column missing from the middle must not look like a smaller image.
    return set(range(max(found, default=-1) + 1))


def _check_columns(parquet: pq.ParquetFile, count: int, where) -> None:
    names = set(parquet.schema_arrow.names)
    wanted = ["image_id", *map(str, range(count))]
    missing = [n for n in wanted if n not in names]
    if missing:
        raise UserError(
            f"{where}: missing column {missing[0]} ({len(missing)} of "
            f"{len(wanted)} are missing); expected image_id and the pixels 0 "
            f"to {count - 1}"
        )


def _natural(name: str) -> list:
    """Sorts data_10 behind data_2."""
    return [int(t) if t.isdecimal() else t for t in re.split(r"(\d+)", name)]


@contextlib.contextmanager
def _readable(path: pathlib.Path):
    """Tells a file that pyarrow cannot read as one clear error."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # The disk's or the mount's own error.
        raise UserError(
            f"{path}: not a whole parquet file ({_first_line(error)}); copy "
            "or download it again"
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [repr(error)])[0]
