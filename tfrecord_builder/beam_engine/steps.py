"""The steps of Beam's workers: functions of the other modules, as DoFns.

    ScanFile     file            -> its row groups, ids and backgrounds, in the
                                    exchange
    ReadRange    rows of a file  -> shard's name, some of its framed records
    WriteShard   shard, records  -> the shard, in the exchange; its digest
    WriteDigests all digests     -> one file of them, in the exchange

Each step depends only on its input, so a bundle can be repeated or run twice,
anywhere and in any order. DoFns hold only the names of files.
"""

import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator

import apache_beam as beam
import numpy as np
import pyarrow as pa

from storage import Scratch, UserError
from tfrecord_builder.beam_engine.exchange import Exchange
from tfrecord_builder.beam_engine.source import Input
from tfrecord_builder.parquet.parquet_reader import Source
from tfrecord_builder.parquet.row_ranges import RowRange
from tfrecord_builder.planning.plan import BuildRecipe, Plan
from tfrecord_builder.records import example, framing, png_encoder, resize

# Records of one shard are shuffled in elements of at most this size.
_ELEMENT_BYTES = 4 << 20  # 4 MiB
# At most this many bytes of a shard are sorted in memory, the rest on disk.
_SORT_BYTES = 256 << 20  # 256 MiB

# `offset` of records (int64), their lengths (int64), their bytes.
Records = tuple[bytes, bytes, bytes]


def plan_table(plan: Plan, images: slice) -> pa.Table:
    """Returns the shards and offsets of some images, one row per image.

    image_id  large_string
    keys      dictionary of binary: `example.serialize_keys`
    shard     dictionary of string: the shard's name
    offset    int64: see `Plan`; for PNG, too, it gives the order in the shard
    """
    keys = _encode(plan.codes[images], lambda code: plan.keys[code])
    shards = _encode(plan.shard_of[images], lambda s: plan.shards[s].name)
    return pa.table(
        {
            "image_id": plan.ids[images],
            "keys": keys,
            "shard": shards,
            "offset": plan.offsets[images],
        }
    )


def _encode(
    codes: np.ndarray, value: Callable[[int], bytes | str]
) -> pa.DictionaryArray:
    """Returns a dictionary array of the value of each code.

    The dictionary holds only the values that occur.
    """
    used, indices = np.unique(codes, return_inverse=True)
    return pa.DictionaryArray.from_arrays(
        indices.astype(np.int32), [value(code) for code in used.tolist()]
    )


class _FileDoFn(beam.DoFn):
    """Keeps the last input file open, and its copy, if there is one."""

    def __init__(self, exchange: Exchange, source: Input) -> None:
        self._exchange = exchange
        self._input = source
        self._opened: tuple | None = None

    def _open(self, name: str) -> Source:
        if self._opened is None or self._opened[0] != name:
            self.teardown()
            spool = Scratch(self._input.spool_dir)
            source = self._input.open(name, str(spool.path))
            self._opened = (name, source, spool)
        return self._opened[1]

    def teardown(self) -> None:
        if self._opened:
            self._opened[2].remove()
        self._opened = None


class ScanFile(_FileDoFn):
    """Reads the ids and backgrounds of a file, and writes them to the exchange.

    Its input is (index of the file, number of files, name of the file).
    """

    def process(self, element: tuple[int, int, str]) -> None:
        index, count, name = element
        # The order of mistakes is that of the local engine: it opens all files
        # backwards, and then reads the ids backwards.
        with self._exchange.report_errors(0, count - index):
            file = self._open(name).files[0]
            with self._exchange.report_errors(1, count - index):
                ids, sides = self._open(name).scan()
                found = [file.bytes, file.groups, dataclasses.astuple(sides)]
                table = pa.table({"image_id": ids})
                self._exchange.write_table(
                    f"ids-{index:05d}",
                    table.replace_schema_metadata({"file": json.dumps(found)}),
                )


class ReadRange(_FileDoFn):
    """Reads a range of rows and makes their records, shard by shard.

    It maps (file name, RowRange) to (a shard's name, Records).
    """

    def __init__(
        self,
        exchange: Exchange,
        source: Input,
        recipe: BuildRecipe,
        encoder: str,
    ) -> None:
        super().__init__(exchange, source)
        self._recipe = recipe
        self._encoder = encoder
        self._spec = resize.make_spec(
            (source.height, source.width),
            (recipe.image_height, recipe.image_width),
        )

    def process(
        self, element: tuple[str, RowRange]
    ) -> Iterator[tuple[str, Records]]:
        name, rows = element
        order = (2, rows.file, rows.first)
        if self._exchange.failed_before(*order):
            return
        with self._exchange.report_errors(*order):
            plan = self._exchange.read_table(f"plan-{rows.file:05d}")
            here = dataclasses.replace(rows, file=0)
            images = self._open(name).read_pixels(here)
            images = resize.resize_images(images, self._spec)
            yield from self._records(
                plan.slice(rows.first, len(images)), images
            )

    def _records(
        self, plan: pa.Table, images: np.ndarray
    ) -> Iterator[tuple[str, Records]]:
        """Yields the records of the images, shard by shard."""
        step = max(1, _ELEMENT_BYTES // images[0].nbytes)
        ids, keys = plan["image_id"].to_pylist(), plan["keys"].to_pylist()
        offsets = plan["offset"].to_numpy()
        names = plan["shard"].chunk(0)
        shards = names.indices.to_numpy()
        order = np.argsort(shards, kind="stable")
        edges = np.flatnonzero(np.diff(shards[order])) + 1
        for part in np.split(order, edges):
            for i in range(0, len(part), step):
                some = part[i : i + step]
                records = [
                    _frame(ids[k], keys[k], image)
                    for k, image in zip(
                        some.tolist(), self._encode(images[some]), strict=True
                    )
                ]
                sizes = np.array([len(record) for record in records], np.int64)
                yield (
                    names[part[0]].as_py(),
                    (
                        offsets[some].tobytes(),
                        sizes.tobytes(),
                        b"".join(records),
                    ),
                )

    def _encode(self, images: np.ndarray) -> list:
        if self._recipe.image_encoding == "raw":
            return list(images)
        if self._encoder != png_encoder.NAME:
            raise UserError(
                f"a worker encodes PNG by {png_encoder.NAME}, the driver by "
                f"{self._encoder}, so their bytes would differ; install the "
                "same zlib on all machines, or use --image_encoding=raw"
            )
        return png_encoder.encode(images)


class WriteShard(beam.DoFn):
    """Sorts the records of a shard and writes it to the exchange.

    It maps (name, all Records) to (0, (name, records, bytes, SHA-256)).
    """

    def __init__(self, exchange: Exchange, spool_dir: str | None) -> None:
        self._exchange = exchange
        self._spool_dir = spool_dir

    def process(
        self, element: tuple[str, Iterable[Records]]
    ) -> Iterator[tuple[int, tuple[str, int, int, str]]]:
        if self._exchange.failed_before(3):
            return
        with tempfile.SpooledTemporaryFile(
            _SORT_BYTES, dir=self._spool_dir
        ) as spool:
            name, offsets, sizes = element[0], [], []
            for some_offsets, some_sizes, records in element[1]:
                offsets.append(np.frombuffer(some_offsets, np.int64))
                sizes.append(np.frombuffer(some_sizes, np.int64))
                spool.write(records)
            lengths = np.concatenate(sizes)
            starts = np.cumsum(lengths) - lengths
            # In the order of the offsets; np.unique drops repeated records.
            _, order = np.unique(np.concatenate(offsets), return_index=True)
            sha = hashlib.sha256()
            with self._exchange.whole_file(name) as sink:
                for i in order.tolist():
                    spool.seek(starts[i])
                    record = spool.read(lengths[i])
                    sha.update(record)
                    sink.write(record)
                size = sink.tell()
        yield 0, (name, len(order), size, sha.hexdigest())


class WriteDigests(beam.DoFn):
    """Writes all digests to one file; takes (0, all digests)."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def process(
        self, element: tuple[int, Iterable[tuple[str, int, int, str]]]
    ) -> None:
        self._exchange.write("shards", json.dumps(list(element[1])).encode())


def _frame(image_id: str, keys: bytes, image: bytes | np.ndarray) -> bytes:
    size = len(image) if isinstance(image, bytes) else image.nbytes
    header = example.image_header(image_id, keys, size)
    return b"".join(framing.frame(header, image))
