"""Deals images to folds and orders them, by their ids and labels alone.

`place(seed, image_id)` is the one hash that decides everything:

    split   unseen, if the image's grapheme is held out; else a fold
    order   within a split, records stand in the order of their hashes

Graphemes are taken in the order of their labels and dealt like one pack of
cards: each goes on at the fold where the one before ended. So folds differ by
one image at most, and so do a grapheme's and a first label's shares of them.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from storage import UserError


def place(seed: int, text: str) -> int:
    """Returns a uint64 that depends on (seed, text) alone: 8 bytes of BLAKE2b.

    It is part of the format: another hash would be another dataset.
    """
    digest = hashlib.blake2b(
        text.encode(), digest_size=8, salt=seed.to_bytes(8, "little")
    )
    return int.from_bytes(digest.digest(), "little")


def places(seed: int, ids: Sequence[str]) -> np.ndarray:
    """Returns `place` of each id, [N] uint64."""
    return np.array([place(seed, i) for i in ids], np.uint64)


def deal(
    ids: Sequence[str],
    labels: np.ndarray,
    graphemes: Sequence[str],
    *,
    seed: int,
    num_folds: int,
    unseen_fraction: float = 0.0,
) -> np.ndarray:
    """Deals images to folds.

    Args:
        ids: N image ids.
        labels: [N, outputs] int64.
        graphemes: N texts.
        seed: Decides the deal.
        num_folds: Folds to deal to.
        unseen_fraction: Fraction of the distinct graphemes to hold out whole.

    Returns:
        [N] int64: a fold from 0 on, or `num_folds` for unseen.
    """
    splits = np.full(len(ids), num_folds, np.int64)
    unseen = choose_unseen(
        labels,
        graphemes,
        seed=seed,
        fraction=unseen_fraction,
        min_images=num_folds,
    )
    seen = np.flatnonzero(~unseen)
    if len(seen) < num_folds:
        raise UserError(
            f"{len(seen)} images cannot fill {num_folds} folds; lower "
            "--num_folds"
        )
    rows, keys = labels.tolist(), places(seed, ids).tolist()
    pack = sorted(
        seen.tolist(), key=lambda i: (rows[i], graphemes[i], keys[i], ids[i])
    )
    splits[pack] = np.arange(len(pack)) % num_folds
    return splits


def choose_unseen(
    labels: np.ndarray,
    graphemes: Sequence[str],
    *,
    seed: int,
    fraction: float,
    min_images: int,
) -> np.ndarray:
    """Chooses whole graphemes to hold out, in an order of their own hashes.

    Texts that share their labels, and labels that share their text, go
    together: a grapheme is unseen only if neither was seen. A choice must
    leave each of its classes `min_images` images, so that every fold can have
    one; where too few graphemes do, one image is enough.

    Returns:
        [N] bool, whether an image is held out.
    """
    unseen = np.zeros(len(graphemes), bool)
    if not fraction:
        return unseen
    group = _group(labels, graphemes)
    texts: dict[int, set[str]] = {}
    members: dict[int, list[int]] = {}
    for i, g in enumerate(group):
        texts.setdefault(g, set()).add(graphemes[i])
        members.setdefault(g, []).append(i)
    wanted = max(1, round(fraction * len(set(graphemes))))
    order = sorted(
        texts, key=lambda g: (place(seed, min(texts[g])), min(texts[g]))
    )
    left = [np.bincount(column) for column in labels.T]
    for least in (min_images, 1):
        for g in order:
            if wanted < len(texts[g]) or unseen[members[g][0]]:
                continue
            counts = [
                np.bincount(labels[members[g], k], minlength=len(have))
                for k, have in enumerate(left)
            ]
            if all(
                (have[take > 0] - take[take > 0] >= least).all()
                for have, take in zip(left, counts, strict=True)
            ):
                left = [h - t for h, t in zip(left, counts, strict=True)]
                unseen[members[g]] = True
                wanted -= len(texts[g])
    if not unseen.any():
        raise UserError(
            f"--unseen_graphemes={fraction}: none of the "
            f"{len(set(graphemes))} graphemes can be held out: each is the "
            "only one with one of its classes"
        )
    return unseen


def _group(labels: np.ndarray, graphemes: Sequence[str]) -> np.ndarray:
    """Numbers images so that equal texts or equal labels have one number."""
    parent: dict = {}

    def root(key):
        while parent.setdefault(key, key) != key:
            parent[key] = key = parent[parent[key]]
        return key

    rows = [tuple(row) for row in labels.tolist()]
    for text, row in set(zip(graphemes, rows, strict=True)):
        parent[root(text)] = root(row)
    numbers: dict = {}
    return np.array(
        [numbers.setdefault(root(text), len(numbers)) for text in graphemes],
        np.int64,
    )
