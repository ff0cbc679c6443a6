"""Describes a built dataset: dataset_info.json, and the table of the folds."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.compute as pc

from tfrecord_builder.parquet.parquet_reader import Source
from tfrecord_builder.planning import image_ids
from tfrecord_builder.planning import plan as planning
from tfrecord_builder.planning.labels import Graphemes
from tfrecord_builder.planning.plan import BuildRecipe, Plan
from tfrecord_builder.records import dataset_info, png_encoder, resize
from tfrecord_builder.records.dataset_info import (
    DatasetInfo,
    Grapheme,
    Image,
    Output,
    Shard,
    Split,
)


def make_info(
    source: Source, plan: Plan, recipe: BuildRecipe, background: str
) -> DatasetInfo:
    """Returns the dataset's information without sizes and digests of shards."""
    counts = _count(plan)
    build: dict[str, Any] = dataclasses.asdict(recipe)
    for name in ("image_height", "image_width", "image_encoding"):
        del build[name]
    build["source"] = {
        "images": len(plan.ids),
        "sha256": planning.source_digest(_sorted_images(plan)),
    }
    png = recipe.image_encoding == "png"
    return DatasetInfo(
        image=Image(
            recipe.image_height,
            recipe.image_width,
            encoding=recipe.image_encoding,
            encoder=png_encoder.NAME if png else None,
            background=background,
        ),
        source_image={"height": source.height, "width": source.width},
        resize=resize.make_spec(
            (source.height, source.width),
            (recipe.image_height, recipe.image_width),
        ),
        outputs=tuple(
            Output(name, classes, class_counts)
            for (name, class_counts), classes in zip(
                _class_counts(plan.graphemes, counts.sum(axis=0)).items(),
                plan.graphemes.classes,
                strict=True,
            )
        ),
        graphemes=_graphemes(plan, counts),
        splits={
            name: _split(name, plan, split_counts)
            for name, split_counts in zip(plan.splits, counts, strict=True)
        },
        build=build,
    )


def fold_table(info: DatasetInfo) -> str:
    """Returns a line for each split: images and smallest class of each output.

    A class without images in a split is its smallest class, with 0.
    """
    lines = [["split", "images", "shards"]]
    lines[0] += [f"smallest {output.name}" for output in info.outputs]
    for name, split in info.splits.items():
        line = [name, str(split.records), str(len(split.shards))]
        for output in info.outputs:
            counts = split.counts[output.name]
            if name == dataset_info.UNSEEN:
                held = sum(count > 0 for count in counts)
                line.append(f"{held} of {len(counts)} classes")
            else:
                least = min(range(len(counts)), key=lambda c: counts[c])
                line.append(f"{counts[least]} ({output.classes[least]})")
        lines.append(line)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = [
        "  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True))
        for line in lines
    ]
    unseen = [g for g in info.graphemes if g.split == dataset_info.UNSEEN]
    seen = len(info.graphemes) - len(unseen)
    table.append(f"{seen} graphemes in the folds, {len(unseen)} unseen")
    if unseen:
        table.append("unseen: " + " ".join(g.text for g in unseen))
    return "\n".join(table)


def _count(plan: Plan) -> np.ndarray:
    """Returns the images of each grapheme in each split, [splits, G] int64."""
    counts = np.zeros((len(plan.splits), len(plan.keys)), np.int64)
    for shard in plan.shards:
        counts[plan.splits.index(shard.split)] += np.bincount(
            plan.codes[shard.images], minlength=len(plan.keys)
        )
    return counts


def _sorted_images(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yields the arguments of `plan.source_digest`."""
    lines = list(
        map(
            planning.source_line,
            plan.graphemes.labels.tolist(),
            plan.graphemes.texts,
        )
    )
    order = pc.sort_indices(plan.ids)
    for start in range(0, len(order), image_ids.BLOCK):
        block = order.slice(start, image_ids.BLOCK)
        ids = plan.ids.take(block).to_numpy(zero_copy_only=False)
        for image_id, code in zip(
            ids, plan.codes[block.to_numpy()].tolist(), strict=True
        ):
            yield image_id, lines[code]


def _class_counts(
    graphemes: Graphemes, counts: np.ndarray
) -> dict[str, tuple[int, ...]]:
    """Returns the images of each class of each output.

    Args:
        graphemes: The graphemes.
        counts: [G], number of images of each grapheme.
    """
    return {
        output: tuple(
            np.bincount(column, counts, len(classes)).astype(int).tolist()
        )
        for output, classes, column in zip(
            graphemes.outputs,
            graphemes.classes,
            graphemes.labels.T,
            strict=True,
        )
    }


def _graphemes(plan: Plan, counts: np.ndarray) -> tuple[Grapheme, ...]:
    """Returns every distinct (labels, text) that has images."""
    unseen = np.array([s == dataset_info.UNSEEN for s in plan.splits])
    return tuple(
        Grapheme(
            text,
            tuple(labels),
            int(in_splits.sum()),
            dataset_info.UNSEEN if in_splits[unseen].any() else "folds",
        )
        for text, labels, in_splits in zip(
            plan.graphemes.texts,
            plan.graphemes.labels.tolist(),
            counts.T,
            strict=True,
        )
        if in_splits.any()
    )


def _split(name: str, plan: Plan, counts: np.ndarray) -> Split:
    return Split(
        records=int(counts.sum()),
        counts=_class_counts(plan.graphemes, counts),
        shards=tuple(
            Shard(s.name, len(s.images), bytes=0, sha256="")
            for s in plan.shards
            if s.split == name
        ),
    )
