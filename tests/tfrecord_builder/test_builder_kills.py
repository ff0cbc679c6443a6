"""A build that is killed at any moment goes on, and ends as if it never was."""

import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys
import types

import pytest
import tiny_data

from storage import UserError
from storage.local_folder import LocalFolder
from tfrecord_builder import verify
from tfrecord_builder.building import builder, staging
from tfrecord_builder.records import dataset_info

RECIPE = dataclasses.replace(tiny_data.RECIPE, num_folds=2)
PNG = dataclasses.replace(RECIPE, image_encoding="png")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """40 images in 2 files of 3 row groups each."""
    folder = tmp_path_factory.mktemp("source")
    tiny_data.write_dataset(folder, num_images=40, row_group_size=8)
    return folder


class Kills:
    """A process that builds and is killed; see kill_builds.py."""

    def __init__(self, source, output, recipe, watch=None, **options):
        options |= {
            "input_dir": str(source),
            "output_dir": str(output),
            "recipe": dataclasses.asdict(recipe),
            "num_workers": 2,
            "watch": str(watch or output),
        }
        self._process = subprocess.Popen(
            [sys.executable, tiny_data.ROOT / "tests/support/kill_builds.py"]
            + [json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._process.stdin.close()
        self._process.wait()

    def build(self, moment: int = 0) -> tuple[str, int]:
        """Returns ("killed" or the exit code, the number of moments)."""
        self._process.stdin.write(f"{moment}\n")
        self._process.stdin.flush()
        end, moments = self._process.stdout.readline().split()
        return end, int(moments)


def read_files(folder) -> dict[str, bytes]:
    """Returns all files but the log, which holds seconds."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(pathlib.Path(folder).rglob("*"))
        if path.is_file() and path.name != "build_log.json"
    }


def check_honest(folder) -> None:
    """Whatever looks finished is whole."""
    if (pathlib.Path(folder) / dataset_info.NAME).exists():
        verify.verify(str(folder))


def spread(last: int, count: int) -> list[int]:
    """Returns at most `count` moments from 1 to `last`, evenly spread."""
    count = min(count, last)
    return [1 + last * k // count for k in range(count)]


def eight(last: int) -> list[int]:
    return spread(last, 8)


def every(last: int) -> list[int]:
    return spread(last, last)


def copies(last: int) -> list[int]:
    """Returns every moment of the copies, and a fifth of the others.

    The input is copied during the first 50 moments, the output during the last
    60. Between them a build does the same as without copies.
    """
    return [
        *range(1, 50),
        *range(50, last - 60, 5),
        *range(last - 60, last + 1),
    ]


def kill_everywhere(source, tmp_path, recipe, choose, **options) -> int:
    """Kills one build at each chosen moment and lets it end each time."""
    output = tmp_path / "out"
    with Kills(source, output, recipe, **options) as kills:
        end, moments = kills.build()
        assert end == "0"
        expected = read_files(output)
        survived = 0
        for moment in choose(moments):
            shutil.rmtree(output)
            end, _ = kills.build(moment)
            survived += end == "killed"
            check_honest(output)
            assert kills.build()[0] == "0", moment
            assert read_files(output) == expected, moment
    return survived


@pytest.mark.parametrize("recipe", [RECIPE, PNG], ids=["raw", "png"])
def test_killed_once(source, tmp_path, recipe):
    assert kill_everywhere(source, tmp_path, recipe, eight) == 8


@pytest.mark.long
@pytest.mark.parametrize("recipe", [RECIPE, PNG], ids=["raw", "png"])
def test_killed_once_at_every_moment(source, tmp_path, recipe):
    assert kill_everywhere(source, tmp_path, recipe, every) > 100


@pytest.mark.parametrize("recipe", [RECIPE, PNG], ids=["raw", "png"])
def test_killed_all_the_time(source, tmp_path, recipe):
    """Each start gets a little further, since finished ranges stay."""
    output = tmp_path / "out"
    uninterrupted = tmp_path / "whole"
    with Kills(source, uninterrupted, recipe) as kills:
        assert kills.build()[0] == "0"
    with Kills(source, output, recipe) as kills:
        ends = [kills.build(40)[0] for _ in range(30)]
    assert ends.index("0") > 1
    assert read_files(output) == read_files(uninterrupted)


def test_a_rerun_redoes_one_range_at_most(source, tmp_path):
    """Of 6 ranges, those in the journal are not written again."""
    output = tmp_path / "out"
    with Kills(source, output, RECIPE) as kills:
        for moment in range(20, 200, 7):
            assert kills.build(moment)[0] == "killed"
            journal = output / staging.NAME / "journal"
            if journal.exists() and journal.read_text().count("range") >= 3:
                break
    before = journal.read_text().splitlines()
    before_mtime = journal.stat().st_mtime_ns
    assert 3 <= len(before) <= 5
    with Kills(source, output, RECIPE) as kills:
        # Killed as late as a shard is finished.
        for moment in range(10, 300, 10):
            assert kills.build(moment)[0] == "killed"
            lines = journal.read_text().splitlines()
            if len(lines) >= 6:
                break
    assert journal.stat().st_mtime_ns > before_mtime
    assert lines[: len(before)] == before
    ranges = [line for line in lines if line.startswith("range")]
    assert len(set(ranges)) == len(ranges) == 6


def test_overwriting_is_whole_or_nothing(source, tmp_path):
    """The old dataset lives until its successor is whole."""
    output, saved = tmp_path / "out", tmp_path / "saved"
    old = dataclasses.replace(RECIPE, num_folds=3)
    with Kills(source, saved, old) as kills:
        assert kills.build()[0] == "0"
    expected = tmp_path / "expected"
    with Kills(source, expected, RECIPE) as kills:
        assert kills.build()[0] == "0"
    old_seen = 0
    with Kills(source, output, RECIPE, overwrite=True) as kills:
        shutil.copytree(saved, output)
        _, moments = kills.build()
        for moment in spread(moments, 8):
            shutil.rmtree(output)
            shutil.copytree(saved, output)
            kills.build(moment)
            check_honest(output)
            if (output / dataset_info.NAME).exists():
                old_seen += len(dataset_info.read(output).folds) == 3
            assert kills.build()[0] == "0"
            assert read_files(output) == read_files(expected)
    assert old_seen > 1


def test_copies_are_not_made_again(source, tmp_path, monkeypatch):
    """After a reset local disk is empty, the output has some of its shards."""
    output, spool = tmp_path / "out", tmp_path / "spool"
    options = {"spool": "always", "spool_dir": str(spool)}
    size = {"source_height": 12, "source_width": 16}
    tiny_data.build(str(source), str(output), RECIPE, **options, **size)
    expected = read_files(output)
    assert list(spool.iterdir()) == []
    shards = sorted(path.name for path in output.glob("*.tfrecord"))
    (output / dataset_info.NAME).unlink()
    (output / shards[0]).unlink()
    (output / shards[1]).write_bytes(b"the half of it")
    uploaded = []
    upload = LocalFolder.upload

    def record(self, path, name):
        uploaded.append(name)
        upload(self, path, name)

    monkeypatch.setattr(LocalFolder, "upload", record)
    tiny_data.build(str(source), str(output), RECIPE, **options, **size)
    assert uploaded == shards[:2]
    assert len(shards) == 4
    assert read_files(output) == expected


@pytest.mark.parametrize(
    ("recipe", "choose", "least"),
    [
        (RECIPE, eight, 7),
        (PNG, eight, 7),
        # The copies do not depend on the encoding.
        pytest.param(RECIPE, copies, 100, marks=pytest.mark.long),
    ],
    ids=["raw", "png", "every_copy"],
)
def test_killed_while_copying(source, tmp_path, recipe, choose, least):
    """The same, through a spool: kills in the copies, too."""
    options = {"spool": "always", "spool_dir": str(tmp_path / "spool")}
    survived = kill_everywhere(
        source, tmp_path, recipe, choose, watch=tmp_path, **options
    )
    assert survived >= least  # The count of moments varies a little.


def test_no_worker_outlives_a_killed_builder(source, tmp_path):
    """All work is done by threads of one process."""
    command = [sys.executable, tiny_data.ROOT / "tfrecord_builder" / "main.py"]
    command += [f"--input_dir={source}", f"--output_dir={tmp_path / 'out'}"]
    command += ["--source_height=12", "--source_width=16", "--num_workers=4"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    children = pathlib.Path(f"/proc/{process.pid}/task")
    seen = set()
    while process.poll() is None:
        for task in list(children.glob("*/children")):
            try:
                seen |= set(task.read_text().split())
            except OSError:
                continue
    assert process.returncode == 0
    assert seen == set()


@pytest.mark.parametrize("damage", ["zeros", "swapped"])
def test_records_lost_in_a_crash_of_the_machine(
    source, tmp_path, monkeypatch, damage
):
    """The journal reached the disk, what it tells of did not."""
    output, expected = tmp_path / "out", tmp_path / "expected"
    size = {"source_height": 12, "source_width": 16}
    tiny_data.build(str(source), str(expected), RECIPE, **size)
    with monkeypatch.context() as patch:
        # Stops when all ranges are in the journal, and no shard is.
        lost = types.SimpleNamespace(file_digest={}.__getitem__)
        patch.setattr(builder, "storage", lost)
        with pytest.raises(KeyError):
            tiny_data.build(str(source), str(output), RECIPE, **size)
    first, second = sorted((output / staging.NAME).glob("*.tfrecord"))[:2]
    if damage == "zeros":
        first.write_bytes(bytes(first.stat().st_size))
    else:
        data = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(data)
    with pytest.raises(UserError, match="was damaged after it was written"):
        tiny_data.build(str(source), str(output), RECIPE, **size)
    assert not (output / dataset_info.NAME).exists()
    tiny_data.build(str(source), str(output), RECIPE, **size)
    assert read_files(output) == read_files(expected)
