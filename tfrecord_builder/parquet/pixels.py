"""Checks pixel columns, and converts decoded columns to rows of uint8."""

import numpy as np
import pyarrow as pa
from absl import logging

from storage import UserError

# Rows and columns of a tile. A tile of 256 KiB is read along one side and
# written along the other within the L2 cache. 256 took a third longer, 128
# twice as long.
_TILE = 512


def count_columns(schema: pa.Schema) -> int:
    """Returns the number of pixel columns, from the highest column name.

    So a file in which a column in the middle is missing does not seem to have
    smaller images.
    """
    return max((int(n) + 1 for n in schema.names if n.isdecimal()), default=0)


def check_columns(schema: pa.Schema, count: int, where: str) -> None:
    """Raises UserError unless a file has image_id and `count` pixel columns."""
    wanted = ["image_id", *map(str, range(count))]
    names = set(schema.names)
    missing = [name for name in wanted if name not in names]
    if missing:
        raise UserError(
            f"{where}: missing column {missing[0]} ({len(missing)} of "
            f"{len(wanted)} are missing); expected image_id and the pixels 0 "
            f"to {count - 1}"
        )
    if len(schema.names) > len(names):
        doubled = next(n for n in names if schema.names.count(n) > 1)
        raise UserError(f"{where}: column {doubled} occurs twice")
    extra = sorted(names.difference(wanted))
    if extra:
        logging.warning(
            "%s: %d columns other than image_id and the pixels 0 to %d are "
            "ignored: %s",
            where,
            len(extra),
            count - 1,
            ", ".join(extra[:5]),
        )


def value_bytes(schema: pa.Schema) -> int:
    """Returns the bytes per decoded pixel; only column 0 is examined."""
    try:
        return schema.field("0").type.byte_width
    except ValueError:  # Not a number: reported when it is read.
        return 8


def to_columns(table: pa.Table, where: str, first_row: int) -> np.ndarray:
    """Returns a table's columns as one matrix.

    Args:
        table: One column per pixel, with whole numbers from 0 to 255 of any
            type.
        where: The file, for errors.
        first_row: The first row's index in the file, for errors.

    Returns:
        [columns, rows] uint8.

    Raises:
        UserError: A value is not a whole number from 0 to 255.
    """
    try:
        batches = table.combine_chunks().to_batches()
        matrix = batches[0].to_tensor(row_major=False).to_numpy().T
    except (pa.ArrowException, TypeError):
        _raise_bad_column(table, where, first_row)
        raise
    if matrix.dtype == np.uint8:
        return matrix
    with np.errstate(invalid="ignore"):  # NaN and infinity are found, too.
        exact = matrix.astype(np.uint8)
    bad = np.argwhere(exact != matrix)
    if len(bad):
        column, row = bad[0]
        raise UserError(
            f"{where}: column {table.column_names[column]}, row "
            f"{first_row + row}: expected a whole number from 0 to 255, got "
            f"{matrix[column, row]}"
        )
    return exact


def transpose(columns: np.ndarray, out: np.ndarray) -> None:
    """Writes `columns` [C, N] uint8 to `out` [N, C], tile by tile.

    A plain `out[...] = columns.T` would miss the cache at every byte.
    """
    for row in range(0, out.shape[0], _TILE):
        for column in range(0, out.shape[1], _TILE):
            tile = columns[column : column + _TILE, row : row + _TILE]
            out[row : row + _TILE, column : column + _TILE] = tile.T


def _raise_bad_column(table: pa.Table, where: str, first_row: int) -> None:
    """Raises an error that names the column, and the row, of the bad value."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count:
            row = column.is_null().to_pylist().index(True)
            raise UserError(
                f"{where}: column {name}, row {first_row + row}: expected a "
                "whole number from 0 to 255, got null"
            )
        kind = column.type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            raise UserError(
                f"{where}: column {name}: expected whole numbers from 0 to "
                f"255, got the type {kind}"
            )
