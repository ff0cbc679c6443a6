"""The input files, for Beam's workers and for the driver."""

import dataclasses
import glob

import pyarrow as pa

from tfrecord_builder.parquet import parquet_reader, row_ranges
from tfrecord_builder.parquet.parquet_reader import Source
from tfrecord_builder.parquet.row_ranges import ParquetFile, RowRange
from tfrecord_builder.records.background import Sides


@dataclasses.dataclass(frozen=True)
class Input:
    """What a worker needs to open one of the input files."""

    input_dir: str
    height: int
    width: int
    spool_dir: str | None
    always_spool: bool

    def open(self, name: str, spool_dir: str) -> Source:
        return parquet_reader.open_source(
            self.input_dir,
            glob.escape(name),
            height=self.height,
            width=self.width,
            spool_dir=spool_dir,
            always_spool=self.always_spool,
        )


@dataclasses.dataclass(frozen=True)
class ScannedSource:
    """The results of the workers' scans; the driver opens only one file.

    Its attributes and methods are those of `parquet_reader.Source`.
    """

    url: str
    height: int
    width: int
    files: tuple[ParquetFile, ...]
    ids: pa.LargeStringArray
    sides: Sides

    @property
    def num_images(self) -> int:
        return len(self.ids)

    def scan(self) -> tuple[pa.LargeStringArray, Sides]:
        return self.ids, self.sides

    def ranges(self, max_rows: int) -> list[RowRange]:
        return row_ranges.cut(self.files, max_rows)
