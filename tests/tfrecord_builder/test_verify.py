"""--verify finds every difference, names the shard, and changes nothing."""

import dataclasses
import pathlib
import shutil

import pytest
import tensorflow as tf
import tiny_data

import storage
from storage import UserError
from tfrecord_builder import verify
from tfrecord_builder.records import dataset_info, framing

SHARD = "fold1-00001-of-00002.tfrecord"


@pytest.fixture
def records(tiny_records, tmp_path):
    return pathlib.Path(shutil.copytree(tiny_records, tmp_path / "records"))


def lines_of(records, capsys) -> list[str]:
    """Returns what a failed verification prints, without the first line."""
    before = {p: p.read_bytes() for p in records.iterdir()}
    with pytest.raises(UserError, match="differ from dataset_info.json"):
        verify.verify(str(records))
    assert {p: p.read_bytes() for p in records.iterdir()} == before
    return capsys.readouterr().out.splitlines()[1:]


def bad_lines(records, capsys) -> list[str]:
    lines = lines_of(records, capsys)
    return [line for line in lines if not line.endswith("  complete")]


def rewrite(records, change) -> None:
    """Rewrites a shard by `change(list of records)`, and its digest."""
    path = records / SHARD
    kept = change(list(framing.read_records(path)))
    path.write_bytes(
        b"".join(b"".join(map(bytes, framing.frame(r, b""))) for r in kept)
    )
    text = (records / dataset_info.NAME).read_text(encoding="utf-8")
    info = dataset_info.from_json(text)
    split = info.splits["fold1"]
    shards = tuple(
        dataclasses.replace(
            s,
            records=len(kept),
            bytes=path.stat().st_size,
            sha256=storage.file_digest(path),
        )
        if s.name == SHARD
        else s
        for s in split.shards
    )
    splits = {**info.splits, "fold1": dataclasses.replace(split, shards=shards)}
    info = dataclasses.replace(info, splits=splits)
    (records / dataset_info.NAME).write_text(info.to_json(), encoding="utf-8")


def test_whole(records, capsys):
    verify.verify(str(records))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "fold0-00000-of-00002.tfrecord  10 records  complete"
    assert len(lines) == 8
    assert lines[-1] == f"{records} is complete: 60 records"


def test_flipped_bit(records, capsys):
    data = bytearray((records / SHARD).read_bytes())
    data[1000] ^= 1
    (records / SHARD).write_bytes(data)
    (line,) = bad_lines(records, capsys)
    assert line.startswith(f"{SHARD}  2 records  record 2: its checksum")


def test_short_shard(records, capsys):
    data = (records / SHARD).read_bytes()
    (records / SHARD).write_bytes(data[:-1])
    (line,) = bad_lines(records, capsys)
    assert f"{len(data) - 1} bytes, expected {len(data)}" in line


def test_missing_shard(records, capsys):
    (records / SHARD).unlink()
    assert bad_lines(records, capsys) == [f"{SHARD}  0 records  it is missing"]


def test_swapped_shards(records, capsys):
    other = records / "fold0-00000-of-00002.tfrecord"
    data = other.read_bytes()
    other.write_bytes((records / SHARD).read_bytes())
    (records / SHARD).write_bytes(data)
    assert len(bad_lines(records, capsys)) == 2


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda r: r[:-1], "fold1: 19 records, expected 20"),
        (lambda r: r[::-1], "fold1: its records are in another order"),
        (lambda r: [*r[:-1], r[0]], "occurs twice"),
    ],
)
def test_right_digest_of_wrong_records(records, capsys, change, expected):
    rewrite(records, change)
    assert any(expected in line for line in bad_lines(records, capsys))


def test_record_that_is_no_example(records, capsys):
    rewrite(records, lambda r: [b"\x0a\x05hello", *r[1:]])
    (line,) = bad_lines(records, capsys)
    assert "record 0: it is not an example of this dataset" in line


@pytest.mark.parametrize("name", ["image_id", "grapheme", "image"])
def test_number_where_bytes_belong(records, capsys, name):
    record = tf.train.Example()
    feature = record.features.feature
    values = {"image_id": b"Train_0", "grapheme": b"a", "image": bytes(16)}
    for key, value in values.items():
        if key != name:
            feature[key].bytes_list.value.append(value)
    for output in dataset_info.read(records).outputs:
        feature[output.name].int64_list.value.append(0)
    feature[name].int64_list.value.append(7)
    rewrite(records, lambda r: [record.SerializeToString(), *r[1:]])
    (line,) = bad_lines(records, capsys)
    assert f"not an example of this dataset (TypeError('{name} is the" in line


def test_stranger(records, capsys):
    shutil.copy(records / SHARD, records / "fold9-00000-of-00001.tfrecord")
    (line,) = bad_lines(records, capsys)
    assert line == "fold9-00000-of-00001.tfrecord is not a shard of it"


def test_the_command(records):
    done = tiny_data.run_builder(f"--output_dir={records}", "--verify")
    assert done.returncode == 0
    assert done.stdout.endswith(f"{records} is complete: 60 records\n")
    (records / SHARD).unlink()
    done = tiny_data.run_builder(f"--output_dir={records}", "--verify")
    assert done.returncode == 1
    importing, error = done.stderr.splitlines()
    assert importing.endswith(" importing pyarrow")
    assert error.startswith("error: ")
