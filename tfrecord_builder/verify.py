"""Reads a dataset and reports every difference from dataset_info.json.

fold0-00000-of-00004.tfrecord  500 records  complete
fold0-00001-of-00004.tfrecord  500 records  sha256 is 5e…, expected 77…
"""

import collections
import concurrent.futures
import dataclasses
import os
import pathlib
import struct

import storage
from storage import Spool, UserError
from tfrecord_builder.planning import folds, plan
from tfrecord_builder.records import dataset_info, example, framing
from tfrecord_builder.records.dataset_info import DatasetInfo, Shard

_MOST_PROBLEMS = 3  # At most so many are printed for a shard.


@dataclasses.dataclass
class ShardContents:
    """The content of one shard, and its problems."""

    problems: list[str]
    ids: list[str]
    labels: list[tuple[int, ...]]
    graphemes: list[str]


def verify(output_dir: str, *, num_workers: int = 0) -> None:
    """Prints a line for each shard; changes nothing.

    Raises:
        UserError: The dataset differs from its dataset_info.json.
    """
    folder = storage.open_folder(output_dir)
    files = folder.list()
    if not files and folder.path is not None and not folder.path.is_dir():
        raise UserError(f"{output_dir}: no such folder")
    info = dataset_info.read_only(folder, files)
    spool = Spool(folder)
    shards = [(n, s) for n, p in info.splits.items() for s in p.shards]
    print(f"verifying {len(shards)} shards of {output_dir}", flush=True)

    def check(entry: tuple[str, Shard]) -> ShardContents:
        split, shard = entry
        if shard.name not in files:
            return ShardContents(["it is missing"], [], [], [])
        path = spool.local_path(shard.name)
        try:
            return check_shard(path, split, shard, info)
        finally:
            if spool.copies:
                path.unlink()

    bad, by_split = 0, collections.defaultdict(list)
    workers = num_workers or os.cpu_count() or 1
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for (split, shard), contents in zip(
            shards, pool.map(check, shards), strict=True
        ):
            bad += bool(contents.problems)
            by_split[split].append(contents)
            text = "; ".join(contents.problems[:_MOST_PROBLEMS]) or "complete"
            print(
                f"{shard.name}  {len(contents.ids)} records  {text}", flush=True
            )
    problems = [] if bad else check_whole(by_split, info)
    strangers = [
        name
        for name in files
        if name.endswith(".tfrecord")
        and name not in {shard.name for _, shard in shards}
    ]
    problems += [f"{name} is not a shard of it" for name in sorted(strangers)]
    for problem in problems:
        print(problem)
    if bad or problems:
        raise UserError(
            f"{output_dir}: {bad} of {len(shards)} shards and "
            f"{len(problems)} properties of the dataset differ from "
            f"{dataset_info.NAME}; copy the dataset again, or build it again "
            "with --overwrite"
        )
    count = sum(s.records for _, s in shards)
    print(f"{output_dir} is complete: {count} records")


def check_shard(
    path: pathlib.Path, split: str, shard: Shard, info: DatasetInfo
) -> ShardContents:
    """Reads all of one shard and compares it with `shard` and `info`."""
    contents = ShardContents([], [], [], [])
    size = path.stat().st_size
    if size != shard.bytes:
        contents.problems.append(f"{size} bytes, expected {shard.bytes}")
    for number, record in enumerate(framing.read_records(path)):
        problem = _check_record(record, contents, info)
        if problem:
            contents.problems.append(f"record {number}: {problem}")
            if record is None:
                break
    if len(contents.ids) != shard.records:
        contents.problems.append(
            f"{len(contents.ids)} records, expected {shard.records}"
        )
    sha256 = storage.file_digest(path)
    if sha256 != shard.sha256:
        contents.problems.append(f"sha256 is {sha256}, expected {shard.sha256}")
    return contents


def check_whole(
    by_split: dict[str, list[ShardContents]], info: DatasetInfo
) -> list[str]:
    """Returns problems of the dataset that no single shard shows."""
    problems = []
    seen = collections.Counter()
    source = {}
    for name, split in info.splits.items():
        parts = by_split[name]
        ids = [i for part in parts for i in part.ids]
        rows = [row for part in parts for row in part.labels]
        texts = [text for part in parts for text in part.graphemes]
        seen.update(ids)
        source.update(zip(ids, map(plan.source_line, rows, texts), strict=True))
        if len(ids) != split.records:
            problems.append(
                f"{name}: {len(ids)} records, expected {split.records}"
            )
        for k, output in enumerate(info.outputs):
            counts = collections.Counter(row[k] for row in rows)
            expected = split.counts[output.name]
            if [counts[c] for c in range(len(expected))] != list(expected):
                problems.append(f"{name}: other counts of {output.name}")
        hashes = folds.text_hashes(info.build["seed"], ids).tolist()
        order = list(zip(hashes, ids, strict=True))
        if order != sorted(order):
            problems.append(f"{name}: its records are in another order")
    doubled = [i for i, count in seen.items() if count > 1]
    if doubled:
        problems.append(f"image {doubled[0]} occurs twice")
    if (
        plan.source_digest(sorted(source.items()))
        != info.build["source"]["sha256"]
    ):
        problems.append("the ids and labels have another digest")
    return problems


def _check_record(
    record: bytes | None, contents: ShardContents, info: DatasetInfo
) -> str | None:
    """Adds a record to `contents`; returns its problem, if it has one."""
    if record is None:
        return "its checksum is wrong, or the file ends within it"
    try:
        features = example.read_example(record)
        image_id = example.bytes_of(features, "image_id").decode()
        grapheme = example.bytes_of(features, "grapheme").decode()
        labels = tuple(int(features[o.name]) for o in info.outputs)
        image = example.bytes_of(features, "image")
    except (ValueError, KeyError, TypeError, IndexError) as error:
        return f"it is not an example of this dataset ({error!r})"
    contents.ids.append(image_id)
    contents.labels.append(labels)
    contents.graphemes.append(grapheme)
    for output, label in zip(info.outputs, labels, strict=True):
        if not 0 <= label < len(output.classes):
            return f"{output.name} is {label} of {len(output.classes)} classes"
    if info.image.encoding == "png":
        size = struct.unpack(">II", image[16:24])
        if size != (info.image.width, info.image.height):
            return f"a PNG of {size[1]} x {size[0]}"
    elif len(image) != info.image.height * info.image.width:
        return f"an image of {len(image)} bytes"
    return None
