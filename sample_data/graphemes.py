"""The graphemes of a dataset: the table, and the number of images of each.

graphemes.csv: the 1,295 graphemes of the competition's training set, with their
labels and how often each was written (200,840 images in total). class_map.csv:
the text of each class, an exact copy of the competition's file.
"""

import csv
import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Sequence

import numpy as np

OUTPUTS = ("grapheme_root", "vowel_diacritic", "consonant_diacritic")
CLASS_MAP = pathlib.Path(__file__).with_name("class_map.csv")
_TABLE = pathlib.Path(__file__).with_name("graphemes.csv")
_TRAIN_STREAM, _TEST_STREAM = 10, 11  # make the two splits independent


@dataclasses.dataclass(frozen=True)
class Grapheme:
    """A written sign: its text, a label for each of OUTPUTS, its frequency."""

    text: str
    labels: tuple[int, ...]
    count: int


def read_graphemes(path: pathlib.Path = _TABLE) -> list[Grapheme]:
    """Reads the table of graphemes."""
    with open(path, newline="", encoding="utf-8") as file:
        return [
            Grapheme(
                row["grapheme"],
                tuple(int(row[name]) for name in OUTPUTS),
                int(row["count"]),
            )
            for row in csv.DictReader(file)
        ]


def digest(graphemes: Sequence[Grapheme]) -> str:
    """Returns the SHA-256 of a list of graphemes, in hex."""
    rows = [dataclasses.astuple(grapheme) for grapheme in graphemes]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def deal(
    graphemes: Sequence[Grapheme], *, num_images: int, seed: int
) -> np.ndarray:
    """Assigns `num_images` images to graphemes by frequency; shuffles them.

    Returns:
        [num_images] int64, an index into `graphemes` for each image.
    """
    indices = np.repeat(
        np.arange(len(graphemes)), count_images(graphemes, num_images)
    )
    return np.random.default_rng((seed, _TRAIN_STREAM)).permutation(indices)


def draw_test(
    graphemes: Sequence[Grapheme], *, num_images: int, seed: int
) -> np.ndarray:
    """Draws the test images' graphemes by frequency: [num_images] int64."""
    frequencies = np.array([grapheme.count for grapheme in graphemes])
    return np.random.default_rng((seed, _TEST_STREAM)).choice(
        len(graphemes), num_images, p=frequencies / frequencies.sum()
    )


def count_images(graphemes: Sequence[Grapheme], num_images: int) -> np.ndarray:
    """Returns the number of images of each grapheme, by the largest remainder.

    If there are too few images for every grapheme, a smallest set of graphemes
    that has every class of every output comes first.

    Returns:
        [graphemes] int64 whose sum is num_images.
    """
    frequencies = np.array([grapheme.count for grapheme in graphemes])
    quotas = num_images * frequencies / frequencies.sum()
    first = np.zeros(len(graphemes), np.int64)
    first[covering_graphemes(graphemes)[:num_images]] = 1
    remaining = num_images - int(first.sum())
    if not remaining:
        return first
    wanted = np.maximum(quotas - first, 0)
    wanted *= remaining / wanted.sum()
    counts = np.floor(wanted + 1e-9).astype(np.int64)
    by_remainder = np.argsort(counts - wanted, kind="stable")
    counts[by_remainder[: remaining - int(counts.sum())]] += 1
    return first + counts


def covering_graphemes(graphemes: Sequence[Grapheme]) -> list[int]:
    """Chooses graphemes that together have every class, most useful first.

    Returns:
        Indices into `graphemes`. Each adds the largest possible number of new
        classes (if several do, it is the most frequent).
    """
    labels = np.array([grapheme.labels for grapheme in graphemes])
    frequencies = np.array([grapheme.count for grapheme in graphemes])
    outputs = range(labels.shape[1])
    unseen = [
        np.isin(np.arange(labels.max() + 1), labels.T[o]) for o in outputs
    ]
    picked = []
    while any(classes.any() for classes in unseen):
        gains = sum(unseen[o][labels[:, o]].astype(int) for o in outputs)
        best = int(np.argmax(gains * frequencies.sum() + frequencies))
        picked.append(best)
        for o in outputs:
            unseen[o][labels[best, o]] = False
    return picked
