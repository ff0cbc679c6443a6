"""Describes what was built: dataset_info.json, and the table of the folds."""

import dataclasses

import numpy as np

from tfrecord_builder import dataset_info, png_encoder, resize
from tfrecord_builder import plan as planning
from tfrecord_builder.labels import Labels
from tfrecord_builder.parquet_reader import Source
from tfrecord_builder.plan import Plan, Recipe


def make_info(
    source: Source,
    labels: Labels,
    plan: Plan,
    recipe: Recipe,
) -> dataset_info.DatasetInfo:
    """Returns the dataset's information without sizes and digests of shards."""
    values = labels.values[plan.rows]
    build = dataclasses.asdict(recipe)
    for name in ("image_height", "image_width", "image_encoding"):
        del build[name]
    build["source"] = {
        "images": len(plan.ids),
        "sha256": planning.source_digest({i: labels.of(i) for i in plan.ids}),
    }
    png = recipe.image_encoding == "png"
    return dataset_info.DatasetInfo(
        image=dataset_info.Image(
            recipe.image_height,
            recipe.image_width,
            encoding=recipe.image_encoding,
            encoder=png_encoder.NAME if png else None,
        ),
        source_image={"height": source.height, "width": source.width},
        resize=resize.make_spec(
            (source.height, source.width),
            (recipe.image_height, recipe.image_width),
        ),
        outputs=tuple(
            dataset_info.Output(name, classes, _counts(column, classes))
            for name, classes, column in zip(
                labels.outputs, labels.classes, values.T, strict=True
            )
        ),
        graphemes=_graphemes(labels, plan),
        splits={
            name: _split(k, name, labels, plan)
            for k, name in enumerate(plan.splits)
        },
        build=build,
    )


def fold_table(info: dataset_info.DatasetInfo) -> str:
    """Returns a line a split, its images and each output's smallest class.

    A class that a split has no image of is its smallest one, of 0.
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


def _counts(column: np.ndarray, classes: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(np.bincount(column, minlength=len(classes)).tolist())


def _graphemes(labels: Labels, plan: Plan) -> tuple[dataset_info.Grapheme, ...]:
    """Returns every distinct (labels, text), sorted."""
    unseen = np.array([s == dataset_info.UNSEEN for s in plan.splits])
    found: dict[tuple, list] = {}
    for row, split in zip(plan.rows.tolist(), plan.split_of, strict=True):
        key = (tuple(labels.values[row].tolist()), labels.graphemes[row])
        entry = found.setdefault(key, [0, unseen[split]])
        entry[0] += 1
    return tuple(
        dataset_info.Grapheme(
            text, key, count, dataset_info.UNSEEN if held_out else "folds"
        )
        for (key, text), (count, held_out) in sorted(found.items())
    )


def _split(k: int, name: str, labels: Labels, plan: Plan) -> dataset_info.Split:
    values = labels.values[plan.rows[plan.split_of == k]]
    return dataset_info.Split(
        records=len(values),
        counts={
            output: _counts(column, classes)
            for output, classes, column in zip(
                labels.outputs, labels.classes, values.T, strict=True
            )
        },
        shards=tuple(
            dataset_info.Shard(s.name, len(s.images), bytes=0, sha256="")
            for s in plan.shards
            if s.split == name
        ),
    )
