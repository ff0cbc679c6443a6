"""Where every image goes, from the ids and labels alone.

    plan = plan_records(ids, labels, recipe)
    plan.shards[3].images        # places in `ids`, in the order of the records
    plan.offsets[17]             # raw: the byte at which image 17's record is

Nothing here has seen a pixel, the number of files or of workers.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from storage import UserError
from tfrecord_builder import example, folds, writer
from tfrecord_builder.labels import Labels

# A shard of fewer records than this is not worth a file of its own.
_MIN_RECORDS = 8
# Shards a split has at least, if there are records: they are read in parallel.
_MIN_SHARDS = 4
# About what a PNG of handwriting takes of the raw pixels.
_PNG_RATIO = 0.29


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The flags that decide the dataset's bytes."""

    image_height: int
    image_width: int
    image_encoding: str
    num_folds: int
    unseen_graphemes: float
    shard_mb: int
    seed: int

    @property
    def image_bytes(self) -> int:
        return self.image_height * self.image_width


@dataclasses.dataclass(frozen=True)
class PlannedShard:
    """A shard's file name, its split, and its images in their order."""

    name: str
    split: str
    images: np.ndarray


@dataclasses.dataclass(frozen=True)
class Plan:
    """Where every image goes. N images, in the source's order.

    Attributes:
        ids: N image ids.
        rows: [N] int64, each image's row in the labels.
        keys: N times `example.serialize_keys`.
        splits: Names of the splits.
        split_of: [N] int64, place of each image's split.
        shards: All shards.
        shard_of: [N] int64, place of each image's shard.
        offsets: [N] int64, where each raw record begins in its shard.
        sizes: [shards] int64, bytes of each raw shard.
    """

    ids: list[str]
    rows: np.ndarray
    keys: list[bytes]
    splits: tuple[str, ...]
    split_of: np.ndarray
    shards: list[PlannedShard]
    shard_of: np.ndarray
    offsets: np.ndarray
    sizes: np.ndarray

    def header(self, image: int, image_bytes: int) -> bytes:
        """Returns all of an image's record but its last `image_bytes`."""
        return example.image_header(
            self.ids[image], self.keys[image], image_bytes
        )


def plan_records(ids: Sequence[str], labels: Labels, recipe: Recipe) -> Plan:
    """Plans the records of all images."""
    for name in labels.outputs:
        if name in example.RESERVED:
            raise UserError(
                f"a label column cannot be called {name}: records keep their "
                f"{', '.join(example.RESERVED)} under these names"
            )
    rows = np.array([labels.index[image_id] for image_id in ids], np.int64)
    graphemes = [labels.graphemes[row] for row in rows]
    split_of = folds.deal(
        ids,
        labels.values[rows],
        graphemes,
        seed=recipe.seed,
        num_folds=recipe.num_folds,
        unseen_fraction=recipe.unseen_graphemes,
    )
    splits = [f"fold{k}" for k in range(recipe.num_folds)]
    if (split_of == recipe.num_folds).any():
        splits.append("unseen")
    hashes = folds.places(recipe.seed, ids).tolist()
    order = np.array(
        sorted(range(len(ids)), key=lambda i: (hashes[i], ids[i])), np.int64
    )
    shards = []
    for k, split in enumerate(splits):
        shards += _cut(split, order[split_of[order] == k], recipe)
    keys = _keys(labels, rows, graphemes)
    shard_of = np.empty(len(ids), np.int64)
    for s, shard in enumerate(shards):
        shard_of[shard.images] = s
    offsets, sizes = _offsets(ids, keys, shards, recipe.image_bytes)
    return Plan(
        list(ids),
        rows,
        keys,
        tuple(splits),
        split_of,
        shards,
        shard_of,
        offsets,
        sizes,
    )


def source_digest(images: Mapping[str, tuple[str, Sequence[int]]]) -> str:
    """Returns the SHA-256 of id -> (grapheme, labels), in the ids' order."""
    sha = hashlib.sha256()
    for image_id in sorted(images):
        text, values = images[image_id]
        line = "\t".join([image_id, text, *map(str, values)])
        sha.update(line.encode() + b"\n")
    return sha.hexdigest()


def _cut(split: str, images: np.ndarray, recipe: Recipe) -> list[PlannedShard]:
    """Cuts a split's images into shards of equal numbers of records."""
    image_bytes = recipe.image_bytes
    if recipe.image_encoding == "png":
        image_bytes = int(image_bytes * _PNG_RATIO)
    count = -(-len(images) * image_bytes // (recipe.shard_mb << 20))
    least = min(_MIN_SHARDS, max(1, len(images) // _MIN_RECORDS))
    count = min(max(count, least), len(images))
    return [
        PlannedShard(f"{split}-{i:05d}-of-{count:05d}.tfrecord", split, part)
        for i, part in enumerate(np.array_split(images, count))
    ]


def _keys(
    labels: Labels, rows: np.ndarray, graphemes: list[str]
) -> list[bytes]:
    """Returns each image's `serialize_keys`, made once a grapheme."""
    made: dict[tuple, bytes] = {}
    keys = []
    for values, text in zip(
        labels.values[rows].tolist(), graphemes, strict=True
    ):
        key = (text, *values)
        if key not in made:
            made[key] = example.serialize_keys(labels.outputs, values, text)
        keys.append(made[key])
    return keys


def _offsets(
    ids: Sequence[str],
    keys: list[bytes],
    shards: list[PlannedShard],
    image_bytes: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the raw records' [N] offsets and the raw shards' sizes."""
    lengths = np.array(
        [
            writer.FRAME_BYTES
            + len(example.image_header(i, k, image_bytes))
            + image_bytes
            for i, k in zip(ids, keys, strict=True)
        ],
        np.int64,
    )
    offsets = np.empty(len(ids), np.int64)
    sizes = np.empty(len(shards), np.int64)
    for s, shard in enumerate(shards):
        ends = np.cumsum(lengths[shard.images])
        offsets[shard.images] = ends - lengths[shard.images]
        sizes[s] = ends[-1]
    return offsets, sizes
