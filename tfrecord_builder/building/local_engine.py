"""Builds on this machine; a killed build continues where it stopped."""

import os
from typing import Any

import pyarrow as pa

from console.progress import Progress
from tfrecord_builder.building import staging
from tfrecord_builder.building.builder import Builder
from tfrecord_builder.building.destination import Destination
from tfrecord_builder.building.staging import Staging
from tfrecord_builder.parquet import parquet_reader
from tfrecord_builder.parquet.parquet_reader import Source
from tfrecord_builder.planning.plan import BuildRecipe, Plan


class LocalEngine:
    """The default engine: threads of this process."""

    name = "local"
    move_shards = None  # The destination moves or copies the shards itself.

    def __init__(
        self, build: Staging, *, num_workers: int, always_spool: bool
    ) -> None:
        """Makes an engine for one build; 0 workers: one thread per core."""
        self._build = build
        self._num_workers = num_workers or os.cpu_count() or 1
        self._always_spool = always_spool

    def open_source(
        self, input_dir: str, input_glob: str, **size: Any
    ) -> Source:
        """Opens the files; see `parquet_reader.open_source` for `size`."""
        pa.set_cpu_count(self._num_workers)
        return parquet_reader.open_source(
            input_dir,
            input_glob,
            **size,
            spool_dir=self._build.path / staging.INPUT,
            always_spool=self._always_spool,
        )

    def write_shards(
        self,
        source: Source,
        plan: Plan,
        recipe: BuildRecipe,
        destination: Destination,
    ) -> dict[str, str]:
        """Writes all shards to `work`; returns the SHA-256 of each, by name."""
        kept = sum(rows.stop - rows.start for rows in self._build.done_ranges())
        with (
            Progress(
                "building",
                total=len(plan.ids),
                initial=kept,
                megabytes=source.height * source.width / 1e6,
            ) as progress,
            Builder(
                source,
                plan,
                recipe,
                self._build,
                num_workers=self._num_workers,
                progress=progress,
            ) as builder,
        ):
            builder.write_ranges()
            return builder.finish_shards(destination.moved_to)
