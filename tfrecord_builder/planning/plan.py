"""Plans the shard and the offset of every image from its id and labels.

    plan = plan_records(ids, codes, graphemes, recipe)
    plan.shards[3].images        # indices into `ids`, in record order
    plan.offsets[17]             # raw: the byte at which image 17's record is

The plan does not depend on pixels, or on the number of files or workers.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from storage import UserError
from tfrecord_builder.planning import folds
from tfrecord_builder.planning.image_ids import Ids
from tfrecord_builder.planning.labels import Graphemes
from tfrecord_builder.records import example, framing

# Splits with few records have fewer shards, so that a shard has 8 or more.
_MIN_RECORDS = 8
# A larger split has at least 4 shards, because they are read in parallel.
_MIN_SHARDS = 4
# Approximate size of a PNG of handwriting, relative to its raw pixels.
_PNG_RATIO = 0.29


@dataclasses.dataclass(frozen=True)
class BuildRecipe:
    """The flags that determine the bytes of the dataset."""

    image_height: int
    image_width: int
    image_encoding: str
    num_folds: int
    unseen_graphemes: float
    shard_mb: int
    seed: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the stored images."""
        return self.image_height, self.image_width

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
    """The shard and the offset of every image. N images, in the source's order.

    Attributes:
        ids: N image ids.
        codes: [N] int32, index of each image's grapheme.
        graphemes: G graphemes.
        keys: The result of `example.serialize_keys` for each grapheme.
        splits: Names of the splits.
        shards: All shards.
        shard_of: [N] int32, index of each image's shard.
        offsets: [N] int64, byte offset of each raw record in its shard.
        sizes: [shards] int64, bytes of each raw shard.
    """

    ids: pa.LargeStringArray
    codes: np.ndarray
    graphemes: Graphemes
    keys: list[bytes]
    splits: tuple[str, ...]
    shards: list[PlannedShard]
    shard_of: np.ndarray
    offsets: np.ndarray
    sizes: np.ndarray

    def header(self, image: int, image_bytes: int) -> bytes:
        """Returns an image's record without its last `image_bytes` bytes."""
        return example.image_header(
            self.ids[image].as_py(), self.keys[self.codes[image]], image_bytes
        )


def plan_records(
    ids: Ids, codes: np.ndarray, graphemes: Graphemes, recipe: BuildRecipe
) -> Plan:
    """Plans the records of all images.

    Args:
        ids: N images.
        codes: [N] int32, index of each image's grapheme.
        graphemes: The graphemes that the images show.
        recipe: How they are built.

    Raises:
        UserError: A label column has a reserved name, or the folds cannot be
            made.
    """
    for name in graphemes.outputs:
        if name in example.RESERVED:
            raise UserError(
                f"a label column cannot be called {name}: records use "
                f"{', '.join(example.RESERVED)} for other values"
            )
    split_of = folds.deal(
        ids.order,
        codes,
        graphemes.labels,
        graphemes.texts,
        seed=recipe.seed,
        num_folds=recipe.num_folds,
        unseen_fraction=recipe.unseen_graphemes,
    )
    splits = [f"fold{k}" for k in range(recipe.num_folds)]
    if (split_of == recipe.num_folds).any():
        splits.append("unseen")
    shards = []
    for k, split in enumerate(splits):
        images = ids.order[split_of[ids.order] == k]
        shards += _cut(split, images, recipe)
    del split_of
    keys = [
        example.serialize_keys(graphemes.outputs, labels, text)
        for labels, text in zip(
            graphemes.labels.tolist(), graphemes.texts, strict=True
        )
    ]
    shard_of = np.empty(len(ids), np.int32)
    for s, shard in enumerate(shards):
        shard_of[shard.images] = s
    return Plan(
        ids.texts,
        codes,
        graphemes,
        keys,
        tuple(splits),
        shards,
        shard_of,
        *_offsets(ids.texts, codes, keys, shards, recipe.image_bytes),
    )


def source_line(labels: Sequence[int], text: str) -> str:
    """Returns the text of a grapheme for `source_digest`."""
    return "\t".join([text, *map(str, labels)])


def source_digest(images: Iterable[tuple[str, str]]) -> str:
    """Returns the SHA-256 of (id, `source_line`), sorted by the ids."""
    sha = hashlib.sha256()
    for image_id, line in images:
        sha.update(f"{image_id}\t{line}\n".encode())
    return sha.hexdigest()


def _cut(
    split: str, images: np.ndarray, recipe: BuildRecipe
) -> list[PlannedShard]:
    """Splits the images of a split into shards of equal numbers of records."""
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


def _offsets(
    ids: pa.LargeStringArray,
    codes: np.ndarray,
    keys: list[bytes],
    shards: list[PlannedShard],
    image_bytes: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the raw records' [N] offsets and the raw shards' sizes."""

    @functools.cache
    def length(id_bytes: int, key_bytes: int) -> int:
        """Returns the size of a framed record, from the sizes of its parts."""
        header = example.image_header(
            "x" * id_bytes, bytes(key_bytes), image_bytes
        )
        return framing.FRAME_BYTES + len(header) + image_bytes

    id_bytes = pc.binary_length(ids).to_numpy()
    key_bytes = np.array([len(key) for key in keys], np.int64)
    offsets = np.empty(len(ids), np.int64)
    sizes = np.empty(len(shards), np.int64)
    for s, shard in enumerate(shards):
        lengths = map(
            length,
            id_bytes[shard.images].tolist(),
            key_bytes[codes[shard.images]].tolist(),
        )
        ends = np.cumsum([0, *lengths])
        offsets[shard.images] = ends[:-1]
        sizes[s] = ends[-1]
    return offsets, sizes
