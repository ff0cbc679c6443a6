"""Builds on many machines with Apache Beam; writes the local engine's bytes.

    files  ─ ScanFile ─► ids        driver: folds, order, every record's offset
    ranges ─ ReadRange ─► (shard, records) ─ group ─ WriteShard ─► digests

The first pipeline reads what the plan needs, the second reads the pixels. The
driver makes the plan with the functions of the local engine. It gives each
worker only the part of the plan for the worker's file, 10 bytes per image. As a
side input the labels would be in the memory of every worker, and a join in the
pipeline would shuffle them again. Input and output are folders that all
machines see, or gs://. exchange.py describes the files between driver and
workers.

A mistake in the data does not fail a bundle. It is reported to the driver; the
workers skip the later ranges and all shards, so the pipeline ends without an
error, on any runner.

Costs, for N images of B bytes (raw 32,332; PNG about 9,000):

    input    read twice, for ids and for pixels, if it must be copied (gs://, a
             zip); a row group above `parquet_reader.RANGE_BYTES` is read once
             for each range
    shuffle  once B + 200 bytes per image: keys, framing, its offset
    worker   memory for a row group: 2.1 GB for 50,210 images; for the plan: 40
             bytes for each image of the worker's file; for the shard that it
             writes: 256 MiB (the rest goes to its disk), however large a split
    driver   memory for ids, graphemes and the plan: 93 bytes per image while
             ids and labels are joined, 46 afterwards; 2.7 s per million images
             on one core (measured on 10^7 by benchmarks/plan.py)

10^9 images of 137 x 236 are 32 TB to shuffle, which Dataflow's shuffle service
or Flink's disks can handle, and 310,000 shards of 100 MiB. The driver is the
limit: by these numbers 10^8 images take 9 GB of its memory and 5 minutes, 10^9
take 93 GB and 45 minutes: one large machine.
"""

import concurrent.futures
import glob
import json
import os
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa

import storage
from storage import Scratch, UserError
from tfrecord_builder.beam_engine import steps
from tfrecord_builder.beam_engine.exchange import Exchange
from tfrecord_builder.beam_engine.runner import Runner
from tfrecord_builder.beam_engine.source import Input, ScannedSource
from tfrecord_builder.beam_engine.steps import (
    ReadRange,
    ScanFile,
    WriteDigests,
    WriteShard,
)
from tfrecord_builder.building.destination import Destination
from tfrecord_builder.parquet import parquet_files, parquet_reader
from tfrecord_builder.parquet.row_ranges import ParquetFile
from tfrecord_builder.planning.plan import BuildRecipe, Plan
from tfrecord_builder.records import png_encoder
from tfrecord_builder.records.background import Sides

_FILES_AT_ONCE = 8


class BeamEngine:
    """The engine of --engine=beam; see `local_engine.LocalEngine`."""

    name = "beam"

    def __init__(
        self,
        output_dir: str,
        *,
        options: Sequence[str],
        spool_dir: str | None,
        always_spool: bool,
    ) -> None:
        """Makes an engine for one build; `options` are Beam's own flags."""
        self._exchange = Exchange(_absolute(output_dir), uuid.uuid4().hex[:12])
        self._spool_dir = spool_dir
        self._always_spool = always_spool
        self._runner = Runner(options)
        self._input: Input | None = None
        self._given = ""
        self._sizes: dict[str, int] = {}

    def open_source(
        self, input_dir: str, input_glob: str, **size: Any
    ) -> ScannedSource:
        """Makes workers read what the plan needs; the driver opens one file.

        See `parquet_reader.open_source` for `size`.
        """
        folder = storage.open_folder(input_dir)
        names = parquet_files.find_files(folder, input_glob)
        with Scratch(self._spool_dir) as spool:
            last = parquet_reader.open_source(
                input_dir,
                glob.escape(names[-1]),
                **size,
                spool_dir=spool,
                always_spool=self._always_spool,
            )
        self._given = input_dir
        self._input = Input(
            _absolute(input_dir),
            last.height,
            last.width,
            self._spool_dir,
            self._always_spool,
        )
        elements = [(i, len(names), name) for i, name in enumerate(names)]
        scan = ScanFile(self._exchange, self._input)
        print(
            f"reading the ids of {len(names)} files of {input_dir} by "
            f"Beam's {self._runner.name}",
            flush=True,
        )
        try:
            self._run(
                lambda pipeline: (
                    pipeline
                    | "files" >> beam.Create(elements)
                    | "spread files" >> beam.Reshuffle()
                    | "read ids" >> beam.ParDo(scan)
                )
            )
            tables = self._read_scans(len(names))
        finally:
            self._exchange.clear(self._exchange.run)
        files: list[ParquetFile] = []
        sides = Sides()
        for name, table in zip(names, tables, strict=True):
            size, groups, counts = json.loads(table.schema.metadata[b"file"])
            files.append(ParquetFile(name, size, tuple(groups)))
            sides += Sides(*counts)
        ids = pa.concat_tables(tables)["image_id"].combine_chunks()
        return ScannedSource(
            last.url, last.height, last.width, tuple(files), ids, sides
        )

    def write_shards(
        self,
        source: ScannedSource,
        plan: Plan,
        recipe: BuildRecipe,
        destination: Destination,
    ) -> dict[str, str]:
        """Returns the SHA-256 of each shard, by name; see move_shards()."""
        del destination  # Only this machine sees its folder `work`.
        self._exchange.clear()  # Remove the files of killed runs.
        image_bytes = max(source.height * source.width, recipe.image_bytes)
        elements = [
            (source.files[rows.file].name, rows)
            for rows in source.ranges(parquet_reader.RANGE_BYTES // image_bytes)
        ]
        if self._input is None:
            raise RuntimeError("call open_source first")
        read = ReadRange(self._exchange, self._input, recipe, png_encoder.NAME)
        write = WriteShard(self._exchange, self._spool_dir)
        digests = WriteDigests(self._exchange)
        try:
            self._hand_out(source, plan)
            self._run(
                lambda pipeline: (
                    pipeline
                    | "ranges" >> beam.Create(elements)
                    | "spread ranges" >> beam.Reshuffle()
                    | "read" >> beam.ParDo(read)
                    | "group by shard" >> beam.GroupByKey()
                    | "write" >> beam.ParDo(write)
                    | "group digests" >> beam.GroupByKey()
                    | "write digests" >> beam.ParDo(digests)
                )
            )
            shards = json.loads(self._exchange.read("shards"))
            _check(shards, plan)
        except BaseException:
            self._exchange.clear()
            raise
        self._sizes = {name: size for name, _, size, _ in shards}
        return {name: sha256 for name, _, _, sha256 in shards}

    def move_shards(self, digests: dict[str, str]) -> dict[str, int]:
        """Moves the shards to the dataset's folder; returns their sizes."""
        folder, target = self._exchange.folder, self._exchange.output
        with concurrent.futures.ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
            for _ in pool.map(
                lambda name: target.move_in(
                    folder, self._exchange.name(name), name
                ),
                digests,
            ):
                pass
        self._exchange.clear()
        return self._sizes

    def _hand_out(self, source: ScannedSource, plan: Plan) -> None:
        """Writes each file's part of the plan to the exchange."""
        ends = np.cumsum([0, *(sum(file.groups) for file in source.files)])

        def write(i: int) -> None:
            images = slice(int(ends[i]), int(ends[i + 1]))
            part = steps.plan_table(plan, images)
            self._exchange.write_table(f"plan-{i:05d}", part)

        with concurrent.futures.ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
            for _ in pool.map(write, range(len(source.files))):
                pass

    def _run(self, build: Callable[[beam.Pipeline], object]) -> None:
        try:
            self._runner.run(build, self._exchange)
        except UserError as error:
            # Workers may run in another folder: show the path the user gave.
            text = str(error)
            if self._input:
                text = text.replace(self._input.input_dir, self._given)
            raise UserError(text) from None

    def _read_scans(self, num_files: int) -> list[pa.Table]:
        """Returns the table that `ScanFile` wrote for each file."""
        names = [f"ids-{i:05d}" for i in range(num_files)]
        with concurrent.futures.ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
            return list(pool.map(self._exchange.read_table, names))


def _absolute(url: str) -> str:
    if "://" in url:
        return url
    return os.path.abspath(os.path.expanduser(url))


def _check(shards: Sequence[tuple], plan: Plan) -> None:
    """Checks that every shard has all of its records."""
    wanted = {shard.name: len(shard.images) for shard in plan.shards}
    written = {name: records for name, records, _, _ in shards}
    for name, records in wanted.items():
        if written.get(name) != records:
            raise UserError(
                f"{name}: the pipeline wrote {written.get(name, 0)} records, "
                f"expected {records}: it lost some on the way; run the same "
                "command again"
            )
