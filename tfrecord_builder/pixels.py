"""Turns decoded pixel columns into rows of uint8."""

import numpy as np
import pyarrow as pa

from storage import UserError

_TILE = 256  # Rows and columns: 64 KiB, which stays in the L2 cache.


def to_columns(table: pa.Table, where, first_row: int) -> np.ndarray:
    """Returns a table's columns as one matrix.

    Args:
        table: One column a pixel; whole numbers from 0 to 255 of any type.
        where: The file, for errors.
        first_row: The first row's place in the file, for errors.

    Returns:
        [columns, rows] uint8.
    """
    try:
        batches = table.combine_chunks().to_batches()
        matrix = batches[0].to_tensor(row_major=False).to_numpy().T
    except (pa.ArrowException, TypeError):
        _raise_bad_column(table, where, first_row)
        raise
    if matrix.dtype == np.uint8:
        return matrix
    with np.errstate(invalid="ignore"):
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

    A plain `out[...] = columns.T` misses the cache at every byte.
    """
    for row in range(0, out.shape[0], _TILE):
        for column in range(0, out.shape[1], _TILE):
            tile = columns[column : column + _TILE, row : row + _TILE]
            out[row : row + _TILE, column : column + _TILE] = tile.T


def _raise_bad_column(table: pa.Table, where, first_row: int) -> None:
    """Names the column, and the row, that is no column of numbers."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count:
            row = column.is_null().to_pylist().index(True)
            raise UserError(
                f"{where}: column {name}, row {first_row + row}: expected a "
                "whole number from 0 to 255, got null"
            )
        if not (
            pa.types.is_integer(column.type)
            or pa.types.is_floating(column.type)
        ):
            raise UserError(
                f"{where}: column {name}: expected whole numbers from 0 to "
                f"255, got the type {column.type}"
            )
