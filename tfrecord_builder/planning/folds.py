"""Splits images into folds and orders them, from only their ids and labels.

`text_hash(seed, image_id)` is the only hash; it determines everything:

    split   unseen, if the image's grapheme is held out; else a fold
    order   within a split, records are in the order of their hashes

The images are sorted by their graphemes' labels, and each goes to the next
fold; the first fold follows the last one. So the sizes of the folds differ by
at most one image. The same is true for the images of one grapheme, and for
those of one class of the first output.
"""

import hashlib
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from storage import UserError


def text_hash(seed: int, text: str) -> int:
    """Returns a uint64 hash of (seed, text): 8 bytes of BLAKE2b.

    It is part of the format: another hash would make another dataset.
    """
    return int(text_hashes(seed, [text])[0])


def text_hashes(seed: int, texts: Iterable[str]) -> np.ndarray:
    """Returns `text_hash` of each text, [N] uint64."""
    salt = seed.to_bytes(8, "little")
    digests = [
        hashlib.blake2b(text.encode(), digest_size=8, salt=salt).digest()
        for text in texts
    ]
    return np.frombuffer(b"".join(digests), "<u8")


def deal(
    order: np.ndarray,
    codes: np.ndarray,
    labels: np.ndarray,
    texts: Sequence[str],
    *,
    seed: int,
    num_folds: int,
    unseen_fraction: float = 0.0,
) -> np.ndarray:
    """Splits images into folds.

    Args:
        order: [N] ints, the images in the order of their hashes.
        codes: [N] ints, index of each image's grapheme.
        labels: [G, outputs] int64 labels of the graphemes, which are in the
            order of their labels, then of their texts.
        texts: G texts.
        seed: Seed of the choice of unseen graphemes.
        num_folds: Number of folds.
        unseen_fraction: Fraction of the distinct graphemes to hold out.

    Returns:
        [N] int32: a fold from 0 on, or `num_folds` for unseen.

    Raises:
        UserError: There are too few images, or no grapheme can be held out.
    """
    splits = np.full(len(order), num_folds, np.int32)
    unseen = choose_unseen(
        np.bincount(codes, minlength=len(texts)),
        labels,
        texts,
        seed=seed,
        fraction=unseen_fraction,
        min_images=num_folds,
    )
    seen = order[~unseen[codes[order]]]
    if len(seen) < num_folds:
        raise UserError(
            f"{len(seen)} images cannot fill {num_folds} folds; lower "
            "--num_folds"
        )
    pack = seen[np.argsort(codes[seen], kind="stable")]
    splits[pack] = np.arange(len(pack), dtype=np.int32) % num_folds
    return splits


def choose_unseen(
    counts: np.ndarray,
    labels: np.ndarray,
    texts: Sequence[str],
    *,
    seed: int,
    fraction: float,
    min_images: int,
) -> np.ndarray:
    """Chooses the graphemes of which all images are held out.

    They are chosen in the order of their hashes. Graphemes with the same
    labels, or with the same text, stay together: a grapheme is unseen only if
    neither its labels nor its text are in the training data. The choice must
    leave `min_images` images of each class, so that every fold can have one. If
    too few graphemes allow that, one image is enough.

    Args:
        counts: [G] ints, number of images of each grapheme; those without
            images do
            not count.
        labels: [G, outputs] int64.
        texts: G texts.
        seed: Seed of the order.
        fraction: Fraction of the distinct texts to hold out.
        min_images: Images of each class that must remain.

    Returns:
        [G] bool, whether a grapheme is held out.

    Raises:
        UserError: No grapheme can be held out.
    """
    unseen = np.zeros(len(counts), bool)
    if not fraction:
        return unseen
    groups = _groups(np.flatnonzero(counts).tolist(), labels, texts)
    num_texts = sum(len(names) for names in groups)
    wanted = max(1, round(fraction * num_texts))

    def class_counts(members: list[int] | slice) -> list[np.ndarray]:
        return [
            np.bincount(column[members], counts[members], column.max() + 1)
            for column in labels.T
        ]

    remaining = class_counts(slice(None))
    order = sorted(groups, key=lambda names: (text_hash(seed, names[0]), names))
    for least in (min_images, 1):
        for names in order:
            members = groups[names]
            if wanted < len(names) or unseen[members[0]]:
                continue
            taken = class_counts(members)
            if all(
                (have[take > 0] - take[take > 0] >= least).all()
                for have, take in zip(remaining, taken, strict=True)
            ):
                remaining = [
                    h - t for h, t in zip(remaining, taken, strict=True)
                ]
                unseen[members] = True
                wanted -= len(names)
    if not unseen.any():
        raise UserError(
            f"--unseen_graphemes={fraction}: none of the {num_texts} graphemes "
            "can be held out: each is the only one with one of its classes"
        )
    return unseen


def _groups(
    graphemes: Sequence[int], labels: np.ndarray, texts: Sequence[str]
) -> dict[tuple[str, ...], list[int]]:
    """Groups graphemes with equal texts or equal labels.

    Returns:
        The graphemes of each group, by its distinct texts, sorted.
    """
    parent: dict = {}

    def root(key: Hashable) -> Hashable:
        while parent.setdefault(key, key) != key:
            parent[key] = key = parent[parent[key]]
        return key

    for g in graphemes:
        parent[root(texts[g])] = root(tuple(labels[g].tolist()))
    members: dict = {}
    for g in graphemes:
        members.setdefault(root(texts[g]), []).append(g)
    return {
        tuple(sorted({texts[g] for g in group})): group
        for group in members.values()
    }
