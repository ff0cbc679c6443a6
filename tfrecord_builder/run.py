"""A build from start to end, in an order that allows a kill at any moment.

1. If the dataset exists already, report it and stop.
2. Lock the folder of the build. Read labels and ids; plan every record.
3. Write records, range by range; then check and finish the shards.
4. Publish the shards, dataset_info.json last; remove everything else.
"""

import contextlib
import dataclasses
import errno
import hashlib
import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

import storage
from storage import Folder, UserError
from tfrecord_builder import engines
from tfrecord_builder.building.destination import Destination
from tfrecord_builder.building.local_engine import LocalEngine
from tfrecord_builder.building.staging import Staging
from tfrecord_builder.parquet import parquet_files
from tfrecord_builder.parquet.parquet_reader import Source
from tfrecord_builder.planning import (
    background_choice,
    csv_files,
    image_labels,
    labels,
    plan,
    summary,
)
from tfrecord_builder.planning.labels import Labels
from tfrecord_builder.planning.plan import BuildRecipe, Plan
from tfrecord_builder.records.background import Sides
from tfrecord_builder.records.dataset_info import DatasetInfo

# The size of images with 32,332 pixel columns: the competition's.
_COMPETITION_SIZE = (137, 236)


def run(
    *,
    recipe: BuildRecipe,
    background: str,
    input_dir: str,
    output_dir: str,
    input_glob: str,
    labels_csv: str,
    label_columns: Sequence[str] | None,
    source_height: int,
    source_width: int,
    num_workers: int,
    spool_dir: str | None,
    spool: str,
    overwrite: bool,
    beam_options: Sequence[str] | None,
) -> DatasetInfo:
    """Builds a dataset.

    Args:
        recipe: How to build; a height or width of 0 keeps the source's.
        beam_options: Beam's own flags, if Apache Beam does the work. None: this
            machine builds alone.

    The other arguments are flags, see flags/builder_flags.py.

    Raises:
        UserError: A mistake of the user or of the data.
    """
    started = time.monotonic()
    always_spool = spool == "always"
    folder = storage.open_folder(input_dir)
    names = parquet_files.find_files(folder, input_glob)
    log: dict[str, Any] = {
        "flags": {
            **dataclasses.asdict(recipe),
            "label_columns": label_columns,
            "source_height": source_height,
            "source_width": source_width,
        },
        "source": _fingerprint(folder, names, labels_csv),
    }
    table = labels.read_labels(
        folder,
        csv_name=labels_csv,
        label_columns=label_columns,
        seed=recipe.seed,
    )
    destination = Destination(output_dir, spool_dir, always_spool=always_spool)
    if not overwrite:
        whole = destination.find_whole(log)
        if whole:
            _check_background(background, whole, output_dir)
            destination.clean()
            print(f"{output_dir} is already complete; nothing to do")
            return whole

    with Staging(destination.work, output_dir) as build:
        engine = engines.make(
            build,
            output_dir,
            num_workers=num_workers,
            spool_dir=spool_dir,
            always_spool=always_spool,
            beam_options=beam_options,
        )
        source = engine.open_source(
            input_dir,
            input_glob,
            height=source_height,
            width=source_width,
            guesses=(_COMPETITION_SIZE, recipe.size),
        )
        recipe = dataclasses.replace(
            recipe,
            image_height=recipe.image_height or source.height,
            image_width=recipe.image_width or source.width,
        )
        _print_start(source, recipe, output_dir)
        planned, sides = _plan(source, table, recipe)
        del table  # It is as large as the plan, and no longer needed.
        info = summary.make_info(
            source, planned, recipe, background_choice.choose(background, sides)
        )
        identity = _identify(source, info, recipe, engine)
        with (
            _explain_full_disk(destination.work),
            destination.lease(identity, overwrite=overwrite),
        ):
            build.begin(
                identity, overwrite=overwrite, output=destination.moved_to
            )
            digests = engine.write_shards(source, planned, recipe, destination)
            destination.folder.make()
            log["engine"] = engine.name
            log["seconds"] = round(time.monotonic() - started, 1)
            info = destination.commit(info, digests, log, engine.move_shards)
        build.remove()
    return info


def print_summary(info: DatasetInfo, output_dir: str) -> None:
    """Prints the content of a dataset and the next command."""
    print(summary.fold_table(info))
    print(
        f"next: python trainer/main.py --data_dir={output_dir} "
        "--workdir=WORKDIR --backup_dir=BACKUP"
    )


def _check_background(
    background: str, whole: DatasetInfo, output_dir: str
) -> None:
    """Raises UserError if --background is not that of the dataset."""
    if background not in (background_choice.AUTO, whole.image.background):
        raise UserError(
            f"{output_dir}: it holds another dataset (its images are recorded "
            f"with a {whole.image.background} background, not a {background} "
            "one); choose another --output_dir, or add --overwrite"
        )


def _plan(
    source: Source, table: Labels, recipe: BuildRecipe
) -> tuple[Plan, Sides]:
    """Plans the records of the source's images; counts their backgrounds."""
    texts, sides = source.scan()
    ids, codes = image_labels.find(source, texts, table, recipe.seed)
    return plan.plan_records(ids, codes, table.graphemes, recipe), sides


def _identify(
    source: Source, info: DatasetInfo, recipe: BuildRecipe, engine: LocalEngine
) -> dict:
    """Returns the identity of a build; a start continues only the same one."""
    return {
        **dataclasses.asdict(recipe),
        "labels": info.build["source"]["sha256"],
        "input files": [[f.name, f.bytes, *f.groups] for f in source.files],
        "engine": engine.name,  # Engines cannot continue each other's build.
    }


def _print_start(source: Source, recipe: BuildRecipe, output_dir: str) -> None:
    """Prints the source, the output and the recipe."""
    print(
        f"building {source.num_images} images of {source.height} x "
        f"{source.width} in {len(source.files)} files of {source.url} into "
        f"{output_dir}: {recipe.image_height} x {recipe.image_width} "
        f"{recipe.image_encoding}, {recipe.num_folds} folds",
        flush=True,
    )


@contextlib.contextmanager
def _explain_full_disk(folder: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(
            f"{error.filename or folder}: the disk is full; free some space "
            "and run the same command again: it continues where it stopped"
        ) from None


def _fingerprint(folder: Folder, names: Sequence[str], labels_csv: str) -> dict:
    """Returns values that identify a source, without opening parquet files."""
    sizes = folder.list()
    texts = [n for n in (labels_csv, csv_files.CLASS_MAP) if n in sizes]
    digests = {
        name: hashlib.sha256(folder.read_bytes(name)).hexdigest()
        for name in texts
    }
    return {**{name: sizes[name] for name in names}, **digests}
