"""Reads the label csv.

image_id,grapheme_root,vowel_diacritic,consonant_diacritic,grapheme
Train_0,15,9,5,ক্ট্রো
"""

import array
import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from storage import Folder, UserError
from tfrecord_builder.planning import csv_files, image_ids
from tfrecord_builder.planning.image_ids import Ids


@dataclasses.dataclass(frozen=True)
class Graphemes:
    """All graphemes: G distinct pairs of labels and text, sorted.

    Attributes:
        outputs: Names of the label columns.
        classes: The class names of each output.
        labels: [G, len(outputs)] int64.
        texts: G texts; if the csv has no `grapheme` column, the labels joined
            by commas.
    """

    outputs: tuple[str, ...]
    classes: tuple[tuple[str, ...], ...]
    labels: np.ndarray
    texts: list[str]


@dataclasses.dataclass(frozen=True)
class Labels:
    """The labels of N images, in the csv's order.

    Attributes:
        ids: The images.
        codes: [N] int32, index of each image's grapheme.
        graphemes: The graphemes of the images.
    """

    ids: Ids
    codes: np.ndarray
    graphemes: Graphemes


@dataclasses.dataclass(frozen=True)
class _Rows:
    """The rows of a csv; many of them differ only in their image id.

    Attributes:
        ids: N image ids.
        codes: [N] int32, index into `label_texts` of each row.
        label_texts: The distinct texts of the other columns, in the order of
            their first rows.
    """

    ids: pa.LargeStringArray
    codes: np.ndarray
    label_texts: list[tuple[str, ...]]

    def first_id(self, code: int) -> str:
        return self.ids[int(np.argmax(self.codes == code))].as_py()


def read_labels(
    folder: Folder,
    *,
    csv_name: str = "train.csv",
    label_columns: Sequence[str] | None = None,
    seed: int = 0,
) -> Labels:
    """Reads and checks the labels of a folder.

    Images are looked up by a hash of (seed, id).

    Raises:
        UserError: A file or a column is missing, or a label is not valid.
    """
    class_map = csv_files.read_class_map(folder)
    outputs = tuple(label_columns or class_map)
    if not outputs:
        raise UserError(
            f"{folder.url}: found no {csv_files.CLASS_MAP}, which names the "
            f"label columns; add it, or give columns of {csv_name} with "
            "--label_columns=a,b"
        )
    where = f"{folder.url}/{csv_name}"
    header, lines = csv_files.read(folder, csv_name)
    missing = [n for n in ("image_id", *outputs) if n not in header]
    if missing:
        raise UserError(
            f"{where}: missing column {', '.join(missing)}; it has "
            f"{', '.join(header)}; give its label columns with --label_columns"
        )
    rows = _read_rows(lines, header, outputs, where)
    labels = np.empty((len(rows.label_texts), len(outputs)), np.int64)
    classes = []
    for k, name in enumerate(outputs):
        labels[:, k] = _parse_labels(rows, k, name, where)
        names = class_map.get(name)
        if names is None:
            highest = int(labels[:, k].max(initial=-1))
            names = tuple(str(i) for i in range(highest + 1))
        _check_range(labels[:, k], rows, name, len(names), where)
        classes.append(names)
    ids = image_ids.sort(rows.ids, seed)
    _check_doubled(ids, where)
    # Different texts can mean the same label, such as 7 and 07.
    pairs = [
        (tuple(row), texts[-1] if "grapheme" in header else _join(row))
        for row, texts in zip(labels.tolist(), rows.label_texts, strict=True)
    ]
    distinct = sorted(set(pairs))
    index_of = {pair: index for index, pair in enumerate(distinct)}
    codes = np.array([index_of[pair] for pair in pairs], np.int32)[rows.codes]
    graphemes = Graphemes(
        outputs,
        tuple(classes),
        np.array([row for row, _ in distinct], np.int64).reshape(
            len(distinct), len(outputs)
        ),
        [text for _, text in distinct],
    )
    return Labels(ids, codes, graphemes)


def _read_rows(
    lines: Iterator[list[str]],
    header: list[str],
    outputs: Sequence[str],
    where: str,
) -> _Rows:
    """Reads the ids, and the texts of the outputs and of the grapheme."""
    names = [*outputs, *(name for name in ("grapheme",) if name in header)]
    columns = [header.index(name) for name in names]
    id_column = header.index("image_id")
    blocks, ids = [], []
    codes, code_of = array.array("i"), {}
    for number, row in enumerate(lines, start=1):
        if len(row) < len(header):
            raise UserError(
                f"{where}: row {number} has {len(row)} columns, expected "
                f"{len(header)}"
            )
        ids.append(row[id_column])
        texts = tuple([row[column] for column in columns])
        codes.append(code_of.setdefault(texts, len(code_of)))
        if len(ids) == image_ids.BLOCK:
            blocks.append(pa.array(ids, pa.large_string()))
            ids = []
    blocks.append(pa.array(ids, pa.large_string()))
    return _Rows(
        pa.concat_arrays(blocks), np.frombuffer(codes, np.int32), list(code_of)
    )


def _parse_labels(rows: _Rows, k: int, name: str, where: str) -> np.ndarray:
    """Returns output k's label of each of `rows.label_texts`."""
    labels = np.empty(len(rows.label_texts), np.int64)
    for code, texts in enumerate(rows.label_texts):
        try:
            labels[code] = int(texts[k])
        except (ValueError, OverflowError):
            raise UserError(
                f"{where}: image {rows.first_id(code)}: {name}: expected a "
                f"whole number, got {texts[k]!r}"
            ) from None
    return labels


def _check_range(
    labels: np.ndarray, rows: _Rows, name: str, classes: int, where: str
) -> None:
    bad = np.flatnonzero((labels < 0) | (labels >= classes))
    if bad.size:
        count = np.isin(rows.codes, bad).sum()
        raise UserError(
            f"{where}: image {rows.first_id(bad[0])}: {name}: expected a label "
            f"from 0 to {classes - 1}, got {labels[bad[0]]} ({count} such "
            "labels)"
        )


def _check_doubled(ids: Ids, where: str) -> None:
    doubled = ids.doubled()
    if doubled:
        first = ids.texts[min(rows[0] for rows in doubled)]
        raise UserError(
            f"{where}: {sum(len(rows) - 1 for rows in doubled)} doubled "
            f"image ids, the first is {first}; give every image one row"
        )


def _join(labels: Sequence[int]) -> str:
    return ",".join(map(str, labels))
