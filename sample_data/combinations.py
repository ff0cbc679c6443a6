"""Every grapheme that can be written: root x vowel x consonant, with its text.

graphemes.csv holds the 1,295 graphemes that the competition's volunteers wrote.
The rules here spell other graphemes of the same classes, and decide which can
be written:

    reph + root + ya-phala, ra-phala or both + vowel sign + chandrabindu

Signs and independent vowels take almost no additions. A consonant takes every
vowel sign and every consonant diacritic with which it is ever written.
"""

import csv
import itertools
import json
import pathlib
from collections.abc import Sequence

import numpy as np

import storage
from sample_data import graphemes
from sample_data.graphemes import Grapheme
from storage import UserError

_SIGNS = ("ং", "ঃ", "ৎ")
_VOWELS = ("অ", "আ", "ই", "ঈ", "উ", "ঊ", "ঋ", "এ", "ঐ", "ও", "ঔ")
_RA, _YA = "র", "য"
_DOTTED = "\u09dc\u09dd\u09df"  # Separate letters: no mark above or below.
# Names of classes: vowel signs and consonant diacritics.
_NO_SIGN, _AA = 0, 1
_PLAIN, _CHANDRABINDU, _REPH, _REPH_YA, _YA_PHALA, _RA_PHALA, _RA_YA = range(7)
_RARE = 0.25  # A rare class has fewer than this, relative to the mean.


def choose(kind: str, table: Sequence[Grapheme]) -> list[Grapheme]:
    """Returns the graphemes that --graphemes names.

    With "train" they have the table's frequencies, else equal ones.

    Args:
        kind: "train", "all", "rare" or "unseen-of:RECORDS".
        table: The competition's graphemes.

    Raises:
        storage.UserError: `kind` is none of these, or RECORDS is not a dataset.
    """
    if kind == "train":
        return list(table)
    name, _, records = kind.partition(":")
    if name not in ("all", "rare", "unseen-of") or (
        (name == "unseen-of") != bool(records)
    ):
        raise UserError(
            f"--graphemes={kind}: expected train, all, rare or "
            "unseen-of:RECORDS"
        )
    chosen = all_graphemes(table)
    if name == "rare":
        rare = rare_classes(table)
        chosen = [
            g
            for g in chosen
            if any(c in r for c, r in zip(g.labels, rare, strict=True))
        ]
    if name == "unseen-of":
        seen = _seen(records)
        chosen = [g for g in chosen if g.labels not in seen]
    return chosen


def all_graphemes(
    table: Sequence[Grapheme],
) -> list[Grapheme]:
    """Returns every grapheme that can be written, in the order of labels.

    A grapheme in the table has the text of the table (of two texts, the more
    frequent). A text in the table is not used for other labels.
    """
    classes = read_classes()
    taken = {grapheme.text for grapheme in table}
    texts = {}
    for labels in itertools.product(*(range(len(c)) for c in classes)):
        text = spell(labels, classes)
        if can_be_written(labels, classes) and text not in taken:
            texts[labels] = text
    for grapheme in sorted(table, key=lambda grapheme: grapheme.count):
        texts[grapheme.labels] = grapheme.text
    return [Grapheme(text, labels, 1) for labels, text in sorted(texts.items())]


def spell(labels: Sequence[int], classes: Sequence[Sequence[str]]) -> str:
    """Returns the text of a root, a vowel and a consonant diacritic.

    Args:
        labels: The three classes.
        classes: The text of each class of the three outputs.
    """
    root, vowel, mark = labels
    text = classes[0][root]
    before = "র্" if mark in (_REPH, _REPH_YA) else ""
    after = {_REPH_YA: "্য", _YA_PHALA: "্য", _RA_PHALA: "্র", _RA_YA: "্র্য"}
    joiner = "\u200d" if text == _RA and mark == _YA_PHALA else ""
    sign = classes[1][vowel] if vowel != _NO_SIGN else ""
    end = "ঁ" if mark == _CHANDRABINDU else ""
    return before + text + joiner + after.get(mark, "") + sign + end


def can_be_written(
    labels: Sequence[int], classes: Sequence[Sequence[str]]
) -> bool:
    """Returns whether the three classes can be combined."""
    root, vowel, mark = labels
    text = classes[0][root]
    if text in _SIGNS:
        return (vowel, mark) == (_NO_SIGN, _PLAIN)
    if text in _VOWELS:
        if text in ("অ", "এ") and (vowel, mark) == (_AA, _YA_PHALA):
            return True  # The vowel of "bat" in loanwords.
        return vowel == _NO_SIGN and mark in (_PLAIN, _CHANDRABINDU)
    if mark in (_REPH, _REPH_YA) and (text[0] == _RA or text in _DOTTED):
        return False
    no_ra = _RA + _YA + _DOTTED
    return not (mark in (_RA_PHALA, _RA_YA) and text[-1] in no_ra)


def rare_classes(
    table: Sequence[Grapheme],
) -> tuple[frozenset[int], ...]:
    """Returns, for each output, its classes with few images."""
    labels = np.array([grapheme.labels for grapheme in table])
    frequency = np.array([grapheme.count for grapheme in table])
    rare = []
    for column in labels.T:
        counts = np.bincount(column, weights=frequency)
        few = counts < _RARE * counts.mean()
        rare.append(frozenset(np.flatnonzero(few).tolist()))
    return tuple(rare)


def read_classes(
    path: pathlib.Path = graphemes.CLASS_MAP,
) -> tuple[tuple[str, ...], ...]:
    """Returns the texts of the classes of each output of graphemes.OUTPUTS."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return tuple(
        tuple(r["component"] for r in rows if r["component_type"] == output)
        for output in graphemes.OUTPUTS
    )


def _seen(records: str) -> set[tuple[int, ...]]:
    """Returns the labels of the graphemes in the folds of a built dataset."""
    folder = storage.open_folder(records)
    if "dataset_info.json" not in folder.list():
        raise UserError(
            f"--graphemes=unseen-of:{records}: it has no dataset_info.json; "
            "expected records that tfrecord_builder/main.py wrote"
        )
    info = json.loads(folder.read_bytes("dataset_info.json"))
    return {
        tuple(grapheme["labels"])
        for grapheme in info["graphemes"]
        if grapheme["split"] == "folds"
    }
