"""Ranges of rows. Each is read, built and added to the journal at once."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class RowRange:
    """Rows `start` to `stop` of one row group of one file.

    Attributes:
        file: Index of the file in `Source.files`.
        group: Index of the row group.
        start: First row, counted within the row group.
        stop: First row after the range, counted within the row group.
        first: First row, counted within the file.
    """

    file: int
    group: int
    start: int
    stop: int
    first: int


@dataclasses.dataclass(frozen=True)
class ParquetFile:
    """One file: its name, its bytes and the rows of each row group."""

    name: str
    bytes: int
    groups: tuple[int, ...]


def cut(files: Sequence[ParquetFile], max_rows: int) -> list[RowRange]:
    """Splits all rows into ranges of at most `max_rows`, file by file."""
    ranges = []
    for i, file in enumerate(files):
        first = 0
        for group, rows in enumerate(file.groups):
            parts = -(-rows // max(1, max_rows))
            edges = [rows * k // parts for k in range(parts + 1) if parts]
            ranges += [
                RowRange(i, group, a, b, first + a)
                for a, b in zip(edges[:-1], edges[1:], strict=True)
            ]
            first += rows
    return ranges
