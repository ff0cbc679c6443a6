"""submission.csv: its rows, their order, and how it is written.

    row_id,target                          row_id is <image_id>_<output>,
    Test_0_consonant_diacritic,0           target is the predicted class
    Test_0_grapheme_root,3

If there is a sample_submission.csv, the rows have its order. If not, the images
keep their order, and the outputs of an image are sorted by name.
"""

import csv
import io
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from absl import logging

import storage
from storage import UserError
from tfrecord_builder.parquet.parquet_reader import Source

SAMPLE = "sample_submission.csv"
HEADER = ("row_id", "target")
Row = tuple[str, str]  # image_id, output


class Predictions:
    """The predicted classes of each image, in the order of add()."""

    def __init__(self, outputs: Sequence[str]) -> None:
        self.outputs = sorted(outputs)
        self._row_of: dict[str, int] = {}
        self._blocks: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self._row_of)

    def add(
        self, image_ids: Sequence[str], classes: Mapping[str, np.ndarray]
    ) -> None:
        """Adds the predictions of some images.

        Args:
            image_ids: [n] ids.
            classes: For each output, [n] integers: the predicted classes.

        Raises:
            UserError: An image_id was added before.
        """
        for image_id in image_ids:
            if image_id in self._row_of:
                raise UserError(_doubled(image_id))
            self._row_of[image_id] = len(self._row_of)
        self._blocks.append(
            np.stack([classes[output] for output in self.outputs], axis=1)
        )

    def rows(self, order: Iterable[Row] | None) -> Iterator[tuple[str, int]]:
        """Yields (row_id, class) in the given order, or in that of add()."""
        table = np.concatenate(self._blocks)
        columns = {output: i for i, output in enumerate(self.outputs)}
        if order is None:
            order = itertools.product(self._row_of, self.outputs)
        for image_id, output in order:
            target = table[self._row_of[image_id], columns[output]]
            yield f"{image_id}_{output}", int(target)


def _doubled(image_id: str) -> str:
    return (
        f"the parquet files hold the image_id {image_id!r} more than once; a "
        "submission has one prediction per image: remove one of the two"
    )


def read_order(
    source: Source, image_ids: Sequence[str], outputs: Sequence[str]
) -> list[Row] | None:
    """Reads the rows of sample_submission.csv; checks them and the image ids.

    Args:
        source: The parquet files, with sample_submission.csv in their folder.
        image_ids: The ids of all images in the files.
        outputs: The model's outputs.

    Returns:
        The rows in order; None if there is no sample_submission.csv.

    Raises:
        UserError: There is no image, an id occurs twice, or the rows do not fit
            the images.
    """
    distinct_ids = check_ids(image_ids)
    if not distinct_ids:
        raise UserError(
            f"{source.url}: the parquet files ({source.files[0].name}, …) "
            "have no rows; expected one row per image"
        )
    where = f"{source.url}/{SAMPLE}"
    if SAMPLE not in source.folder.list():
        logging.info("There is no %s: rows are in the images' order", where)
        return None
    order = parse_order(
        source.folder.read_bytes(SAMPLE), outputs=outputs, where=where
    )
    check_order(order, distinct_ids, outputs=outputs, where=where)
    return order


def check_ids(image_ids: Iterable[str]) -> set[str]:
    """Returns the ids as a set; UserError if one occurs twice."""
    seen: set[str] = set()
    for image_id in image_ids:
        if image_id in seen:
            raise UserError(_doubled(image_id))
        seen.add(image_id)
    return seen


def parse_order(
    data: bytes, *, outputs: Sequence[str], where: str
) -> list[Row]:
    """Returns the rows of a sample_submission.csv, in its order.

    Args:
        data: The file's content.
        outputs: The model's outputs. If one name ends in another, a row_id is
            assumed to end in the longer one.
        where: The file's path, for the messages.

    Raises:
        UserError: There is no row_id column, the model lacks an output, or a
            row occurs twice.
    """
    try:
        lines = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
        header = next(lines, [])
        records = [line for line in lines if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{where} cannot be read as csv: {error}") from error
    if "row_id" not in header:
        raise UserError(
            f"{where}: expected the columns row_id,target, got {header}; "
            "use the competition's file or remove this one"
        )
    column = header.index("row_id")
    by_length = sorted(outputs, key=len, reverse=True)
    rows: dict[Row, None] = {}
    for number, line in enumerate(records, 2):
        row_id = line[column] if column < len(line) else ""
        for output in by_length:
            if row_id.endswith(f"_{output}"):
                row = (row_id.removesuffix(f"_{output}"), output)
                break
        else:
            raise UserError(
                f"{where}, row {number}: {row_id!r} does not end in an output "
                f"of the model ({', '.join(sorted(outputs))}); predict with a "
                "model trained for this competition"
            )
        if row in rows:
            raise UserError(f"{where}, row {number}: {row_id!r} occurs twice")
        rows[row] = None
    return list(rows)


def check_order(
    order: Sequence[Row],
    image_ids: set[str],
    *,
    outputs: Sequence[str],
    where: str,
) -> None:
    """Raises UserError unless the order has each output of each image."""
    asked = {image_id for image_id, _ in order}
    if missing := asked - image_ids:
        raise UserError(
            f"{where} asks for {_some(missing)} that the parquet files do not "
            f"hold: they have {len(image_ids)} images, it names {len(asked)}; "
            "give all of the test set's files"
        )
    if extra := image_ids - asked:
        raise UserError(
            f"the parquet files hold {_some(extra)} that {where} does not ask "
            f"for: they have {len(image_ids)} images, it names {len(asked)}; "
            "use the sample_submission.csv of this test set or remove it"
        )
    rows = set(order)
    wanted = itertools.product(sorted(image_ids), outputs)
    if absent := [row for row in wanted if row not in rows]:
        raise UserError(
            f"{where} lacks {len(absent)} row(s), the first "
            f"{'_'.join(absent[0])!r}: expected a row for each output of each "
            "image"
        )


def _some(ids: set[str]) -> str:
    names = ", ".join(map(repr, sorted(ids)[:3]))
    more = ", …" if len(ids) > 3 else ""
    return f"{len(ids)} image_id(s) ({names}{more})"


def write(path: str | os.PathLike, rows: Iterable[tuple[str, int]]) -> int:
    """Writes the whole csv or nothing; returns its number of rows."""
    text, count = io.StringIO(newline=""), 0
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for count, row in enumerate(rows, 1):  # noqa: B007
        writer.writerow(row)
    storage.write_whole(path, text.getvalue().encode())
    return count
