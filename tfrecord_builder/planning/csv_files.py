"""Reads csv files, and the classes in class_map.csv."""

import csv
import io
from collections.abc import Iterator

from storage import Folder, UserError

CLASS_MAP = "class_map.csv"


def read(folder: Folder, name: str) -> tuple[list[str], Iterator]:
    """Returns the header and an iterator of the rows, without blank lines."""
    where = f"{folder.url}/{name}"
    try:
        data = folder.read_bytes(name)
    except FileNotFoundError:
        raise UserError(
            f"{where}: no such file; it has the labels of the images (give "
            "another name with --labels_csv)"
        ) from None
    rows = _parse_csv(data, where)
    header = next(rows, None)
    if header is None:
        raise UserError(f"{where}: empty; expected a header and rows of images")
    return [name.strip() for name in header], rows


def _parse_csv(data: bytes, where: str) -> Iterator[list[str]]:
    """Yields the rows; memory holds only one block of the text at a time."""
    file = io.BytesIO(data)
    # utf-8-sig: spreadsheet programs write a byte order mark at the start.
    lines = io.TextIOWrapper(file, "utf-8-sig", newline="")
    problem: object
    try:
        yield from filter(None, csv.reader(lines))
        return
    except csv.Error as error:
        problem = error
    except UnicodeDecodeError as error:  # Its positions count in the block.
        byte = file.tell() - len(error.object) + error.start
        problem = f"{error.reason} at byte {byte}"
    raise UserError(f"{where}: not a csv file in UTF-8: {problem}")


def read_class_map(folder: Folder) -> dict[str, tuple[str, ...]]:
    """Returns the class names of each output; {} without a class_map.csv."""
    if CLASS_MAP not in folder.list():
        return {}
    where = f"{folder.url}/{CLASS_MAP}"
    header, rows = read(folder, CLASS_MAP)
    wanted = ["component_type", "label", "component"]
    if header[:3] != wanted:
        raise UserError(
            f"{where}: expected the columns {','.join(wanted)}, got "
            f"{','.join(header)}"
        )
    names: dict[str, dict[int, str]] = {}
    for number, row in enumerate(rows, start=2):
        if len(row) < 3 or not row[1].strip().isdecimal():
            raise UserError(
                f"{where}: line {number}: expected a component type, a label "
                f"from 0 on and a name, got {','.join(row)!r}"
            )
        names.setdefault(row[0], {})[int(row[1])] = row[2]
    for output, classes in names.items():
        if sorted(classes) != list(range(len(classes))):
            raise UserError(
                f"{where}: {output}: expected the labels 0 to "
                f"{len(classes) - 1}, got {sorted(classes)}"
            )
    return {k: tuple(v[i] for i in range(len(v))) for k, v in names.items()}
