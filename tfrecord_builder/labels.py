"""Reads the label csv and class_map.csv.

image_id,grapheme_root,vowel_diacritic,consonant_diacritic,grapheme
Train_0,15,9,5,ক্ট্রো
"""

import csv
import dataclasses
import io
from collections.abc import Sequence

import numpy as np

from storage import Folder, UserError

CLASS_MAP = "class_map.csv"


@dataclasses.dataclass(frozen=True)
class Labels:
    """The labels of all images, in the csv's order.

    Attributes:
        outputs: Names of the label columns.
        classes: The class names of each output.
        index: Place of each image id.
        values: [N, len(outputs)] int64 labels.
        graphemes: N texts; the labels joined by commas where the csv has no
            `grapheme` column.
    """

    outputs: tuple[str, ...]
    classes: tuple[tuple[str, ...], ...]
    index: dict[str, int]
    values: np.ndarray
    graphemes: list[str]

    def of(self, image_id: str) -> tuple[str, list[int]]:
        """Returns an image's grapheme and labels."""
        row = self.index[image_id]
        return self.graphemes[row], self.values[row].tolist()


def read_labels(
    folder: Folder,
    *,
    csv_name: str = "train.csv",
    label_columns: Sequence[str] | None = None,
) -> Labels:
    """Reads and checks the labels of a folder; UserError where they are bad."""
    class_map = _read_class_map(folder)
    outputs = tuple(label_columns or class_map)
    if not outputs:
        raise UserError(
            f"{folder.url}: found no {CLASS_MAP}, which names the label "
            f"columns; add it, or name columns of {csv_name} by "
            "--label_columns=a,b"
        )
    where = f"{folder.url}/{csv_name}"
    header, rows = _read_csv(folder, csv_name)
    missing = [n for n in ("image_id", *outputs) if n not in header]
    if missing:
        raise UserError(
            f"{where}: missing column {', '.join(missing)}; it has "
            f"{', '.join(header)}; name its label columns by --label_columns"
        )
    short = next(
        (i for i, row in enumerate(rows) if len(row) < len(header)), -1
    )
    if short >= 0:
        raise UserError(
            f"{where}: row {short + 1} has {len(rows[short])} columns, "
            f"expected {len(header)}"
        )
    column = {name: header.index(name) for name in header}
    ids = [row[column["image_id"]] for row in rows]
    values = np.empty((len(rows), len(outputs)), np.int64)
    classes = []
    for k, name in enumerate(outputs):
        texts = [row[column[name]] for row in rows]
        values[:, k] = _parse_labels(texts, ids, name, where)
        names = class_map.get(name)
        if names is None:
            highest = int(values[:, k].max(initial=-1))
            names = tuple(str(i) for i in range(highest + 1))
        _check_range(values[:, k], ids, name, len(names), where)
        classes.append(names)
    if "grapheme" in column:
        graphemes = [row[column["grapheme"]] for row in rows]
    else:
        graphemes = [",".join(map(str, row)) for row in values.tolist()]
    return Labels(
        outputs, tuple(classes), _index(ids, where), values, graphemes
    )


def _read_csv(folder: Folder, name: str) -> tuple[list[str], list[list[str]]]:
    """Returns the header and the rows, blank lines left out."""
    where = f"{folder.url}/{name}"
    try:
        data = folder.read_bytes(name)
    except FileNotFoundError:
        raise UserError(
            f"{where}: no such file; it gives each image its labels (another "
            "name: --labels_csv)"
        ) from None
    try:
        # utf-8-sig: spreadsheet programs put a byte order mark in front.
        text = data.decode("utf-8-sig")
        lines = io.StringIO(text, newline="")
        rows = [row for row in csv.reader(lines) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{where}: not a csv file in UTF-8: {error}") from None
    if not rows:
        raise UserError(f"{where}: empty; expected a header and a row an image")
    return [name.strip() for name in rows[0]], rows[1:]


def _read_class_map(folder: Folder) -> dict[str, tuple[str, ...]]:
    """Returns output -> class names; {} where there is no class_map.csv."""
    if CLASS_MAP not in folder.list():
        return {}
    where = f"{folder.url}/{CLASS_MAP}"
    header, rows = _read_csv(folder, CLASS_MAP)
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


def _parse_labels(
    texts: list[str], ids: list[str], name: str, where: str
) -> np.ndarray:
    try:
        return np.array([int(text) for text in texts], np.int64)
    except (ValueError, OverflowError):
        for text, image_id in zip(texts, ids, strict=True):
            if not text.strip().lstrip("-").isdecimal():
                raise UserError(
                    f"{where}: image {image_id}: {name}: expected a whole "
                    f"number, got {text!r}"
                ) from None
        raise


def _check_range(
    values: np.ndarray, ids: list[str], name: str, classes: int, where: str
) -> None:
    bad = np.flatnonzero((values < 0) | (values >= classes))
    if bad.size:
        raise UserError(
            f"{where}: image {ids[bad[0]]}: {name}: expected a label from 0 to "
            f"{classes - 1}, got {values[bad[0]]} ({bad.size} such labels)"
        )


def _index(ids: list[str], where: str) -> dict[str, int]:
    index = {image_id: i for i, image_id in enumerate(ids)}
    if len(index) < len(ids):
        doubled = next(a for i, a in enumerate(ids) if index[a] != i)
        raise UserError(
            f"{where}: {len(ids) - len(index)} doubled image ids, the first "
            f"{doubled}; every image has one row"
        )
    return index
