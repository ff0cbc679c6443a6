"""A build from start to end, in the order that a kill at any moment allows.

1. Read ids and labels; check them; plan every record's place.
2. Take up RECORDS/.build, or start it; write records, then finish the shards.
3. Take away an older dataset_info.json and its shards (--overwrite).
4. Move the shards to their names; write dataset_info.json; remove .build.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import time

import pyarrow as pa
from absl import logging

import storage
from storage import UserError
from tfrecord_builder import (
    dataset_info,
    labels,
    parquet_reader,
    plan,
    summary,
)
from tfrecord_builder.builder import Builder
from tfrecord_builder.staging import NAME, Staging, differences

LOG_NAME = "build_log.json"
_BENGALI_SIZE = (137, 236)


def run(
    input_dir: str,
    output_dir: str,
    recipe: plan.Recipe,
    *,
    input_glob: str,
    labels_csv: str,
    label_columns: list[str] | None,
    source_size: tuple[int, int],
    num_workers: int,
    overwrite: bool,
) -> int:
    """Builds a dataset; returns the exit code."""
    started = time.monotonic()
    num_workers = num_workers or os.cpu_count() or 1
    pa.set_cpu_count(num_workers)
    output = storage.open_folder(output_dir)
    table = labels.read_labels(
        storage.open_folder(input_dir),
        csv_name=labels_csv,
        label_columns=label_columns,
    )
    source = parquet_reader.open_source(
        input_dir,
        input_glob,
        height=source_size[0],
        width=source_size[1],
        guesses=(_BENGALI_SIZE, (recipe.image_height, recipe.image_width)),
    )
    recipe = dataclasses.replace(
        recipe,
        image_height=recipe.image_height or source.height,
        image_width=recipe.image_width or source.width,
    )
    print(
        f"{source.num_images} images of {source.height}x{source.width} in "
        f"{len(source.files)} files of {input_dir} -> {output_dir}, "
        f"{recipe.image_height}x{recipe.image_width} {recipe.image_encoding}, "
        f"{recipe.num_folds} folds, {num_workers} threads",
        flush=True,
    )
    ids = _check_ids(source, table)
    planned = plan.plan_records(ids, table, recipe)
    identity = {
        **dataclasses.asdict(recipe),
        "source": plan.source_digest(ids, table, planned.rows),
        "files": [[f.name, *f.groups] for f in source.files],
    }
    expected = summary.make_info(source, table, planned, recipe)
    output.make()
    with Staging(output.path / NAME, output_dir) as staging:
        before = _finished(output, expected, overwrite=overwrite)
        if before is not None:
            print("whole already: nothing to do")
            return _tell(before, output_dir)
        staging.begin(identity, overwrite=overwrite, output=output.path)
        builder = Builder(
            source,
            planned,
            recipe,
            staging,
            num_workers=num_workers,
            progress=lambda images: None,
        )
        try:
            builder.write_ranges()
            digests = builder.finish_shards(output.path)
        finally:
            builder.close()
        info = _move_shards(staging.path, output, expected, digests)
        log = {"seconds": round(time.monotonic() - started, 1)}
        output.replace(LOG_NAME, json.dumps(log).encode())
        output.replace(dataset_info.NAME, info.to_json().encode())
        staging.remove()
    return _tell(info, output_dir)


def _check_ids(
    source: parquet_reader.Source, table: labels.Labels
) -> list[str]:
    """Returns the ids of all images; each must be new and have labels."""
    seen: dict[str, str] = {}
    for file, ids in zip(source.files, source.read_ids(), strict=True):
        for image_id in ids:
            if image_id in seen:
                raise UserError(
                    f"{file.path}: image {image_id} is there twice, also in "
                    f"{seen[image_id]}; every image id is unique"
                )
            seen[image_id] = file.name
    if not seen:
        raise UserError(f"{source.url}: no image in its parquet files")
    unlabelled = [i for i in seen if i not in table.index]
    if unlabelled:
        raise UserError(
            f"{source.url}: {len(unlabelled)} of {len(seen)} images have no "
            f"labels, the first {unlabelled[0]} in {seen[unlabelled[0]]}; "
            "give each a row in the label csv"
        )
    if len(seen) < len(table.index):
        logging.warning(
            "%d of %d rows of the label csv have no image in %s",
            len(table.index) - len(seen),
            len(table.index),
            source.url,
        )
    return list(seen)


def _finished(
    output: storage.Folder,
    expected: dataset_info.DatasetInfo,
    *,
    overwrite: bool,
) -> dataset_info.DatasetInfo | None:
    """Returns the dataset that lies there whole, if it is the expected one."""
    files = output.list()
    if dataset_info.NAME not in files:
        return None
    try:
        info = dataset_info.read_only(output, files)
        if _bare(info) == _bare(expected):
            return dataset_info.read(output.url)
    except UserError:
        if overwrite:
            return None
        raise
    if overwrite:
        return None
    told = differences(_flat(info), _flat(expected))
    raise UserError(
        f"{output.url}: another dataset is in it ({told}); choose another "
        "--output_dir, or add --overwrite"
    )


def _bare(info: dataset_info.DatasetInfo) -> dataset_info.DatasetInfo:
    """Returns `info` without the digests of its shards."""
    bare = {
        name: dataclasses.replace(
            split,
            shards=tuple(
                dataclasses.replace(s, bytes=0, sha256="") for s in split.shards
            ),
        )
        for name, split in info.splits.items()
    }
    return dataclasses.replace(info, splits=bare)


def _flat(info: dataset_info.DatasetInfo) -> dict:
    return {**info.build, **dataclasses.asdict(info.image)}


def _move_shards(
    staged: pathlib.Path,
    output: storage.Folder,
    expected: dataset_info.DatasetInfo,
    digests: dict[str, str],
) -> dataset_info.DatasetInfo:
    """Moves the shards to their names and returns what is there now.

    An older dataset is no dataset any more from the first moment on.
    """
    files = output.list()
    if dataset_info.NAME in files:
        with contextlib.suppress(UserError):
            old = dataset_info.read_only(output, files)
            output.delete(dataset_info.NAME)
            for split in old.splits.values():
                for shard in split.shards:
                    output.delete(shard.name)
        output.delete(dataset_info.NAME)
    splits = {}
    for name, split in expected.splits.items():
        shards = []
        for shard in split.shards:
            path = staged / shard.name
            final = output.path / shard.name
            if path.exists():
                with open(path, "rb") as file:
                    os.fsync(file.fileno())
                os.replace(path, final)
            shards.append(
                dataclasses.replace(
                    shard,
                    bytes=final.stat().st_size,
                    sha256=digests[shard.name],
                )
            )
        splits[name] = dataclasses.replace(split, shards=tuple(shards))
    return dataclasses.replace(expected, splits=splits)


def _tell(info: dataset_info.DatasetInfo, output_dir: str) -> int:
    print(summary.fold_table(info))
    print(
        f"next: python trainer/main.py --data_dir={output_dir} "
        "--workdir=WORKDIR --backup_dir=BACKUP"
    )
    return 0
