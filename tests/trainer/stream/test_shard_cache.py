"""The cache of caches.shards, with real faults: kills, damage, a full disk."""

import dataclasses
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import types

import caches
import gcs_emulators
import pytest
import streams
import tensorflow as tf
import tiny_data
from tensorflow.python.framework import op_def_registry

import storage
from storage import UserError, digests, retry, whole_file
from tfrecord_builder.records import dataset_info
from trainer.stream import (
    eval_dataset,
    input_pipeline,
    shard_cache,
    shard_copy,
    training_data,
)
from trainer.stream.shard_cache import Dataset, ShardCache
from trainer.stream.shard_copy import ShardCopy

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture
def records(tiny_records, tmp_path):
    """A copy of the tiny records, to do harm to."""
    return pathlib.Path(shutil.copytree(tiny_records, tmp_path / "records"))


@pytest.fixture
def limit_open_files():
    """Returns a function that sets this process's limit of open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda most: resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(autouse=True)
def _little_room_needed(monkeypatch):
    monkeypatch.setattr(shard_cache, "_ROOM_LEFT", 0)


def fetch_all(records, cache_dir):
    """Returns the cache's folder when it has all caches.shards."""
    with caches.make(records, cache_dir=cache_dir) as made:
        local = caches.fetch(made, caches.shards(records))
    (folder,) = made.folders
    assert local == [str(folder / os.path.basename(p)) for p in local]
    for copy, path in zip(local, caches.shards(records), strict=True):
        assert pathlib.Path(copy).read_bytes() == (
            pathlib.Path(path).read_bytes()
        )
    assert names(folder) == set(map(os.path.basename, local))
    return folder


def names(folder, pattern="*"):
    return {path.name for path in folder.glob(pattern)}


def times(folder):
    return {p.name: p.stat().st_mtime_ns for p in folder.glob("*.tfrecord")}


def test_each_shard_is_copied_once(records, tmp_path):
    before = times(fetch_all(records, tmp_path / "cache"))
    assert len(before) == len(caches.shards(records)) > 4
    assert times(fetch_all(records, tmp_path / "cache")) == before


def test_each_dataset_has_a_folder_of_its_own(records, tmp_path):
    tiny_data.write_dataset(tmp_path / "source", num_images=60, seed=1)
    other = tiny_data.build_records(tmp_path / "source", tmp_path / "other")
    paths = [*caches.shards(records), *caches.shards(other)]
    assert set(map(os.path.basename, caches.shards(records))) == set(
        map(os.path.basename, caches.shards(other))
    )
    with caches.make(records, other, cache_dir=tmp_path / "cache") as made:
        local = caches.fetch(made, paths)
    assert {os.path.dirname(p) for p in local} == set(map(str, made.folders))
    assert len(set(local)) == len(paths)
    for copy, path in zip(local, paths, strict=True):
        assert pathlib.Path(copy).read_bytes() == (
            pathlib.Path(path).read_bytes()
        )


@pytest.mark.parametrize("harm", [b"", b"flipped"])
def test_a_damaged_copy_is_made_again(records, tmp_path, harm):
    folder = fetch_all(records, tmp_path / "cache")
    victim = sorted(folder.glob("*.tfrecord"))[2]
    data = victim.read_bytes()
    victim.write_bytes(harm + data[len(harm) :] if harm else data[:100])
    before = times(folder)
    after = times(fetch_all(records, tmp_path / "cache"))
    assert {n for n in after if after[n] != before[n]} == {victim.name}


def test_a_damaged_source_is_reported_and_nothing_stays(
    records, tmp_path, monkeypatch
):
    waits = []
    monkeypatch.setattr(retry.time, "sleep", waits.append)
    victim = pathlib.Path(caches.shards(records)[3])
    victim.write_bytes(b"x" + victim.read_bytes()[1:])

    def train():
        with caches.make(records, cache_dir=tmp_path / "cache") as made:
            try:
                made.fetch([str(victim)])
            except UserError:  # As TensorFlow tells it.
                raise RuntimeError("an op failed") from None

    with pytest.raises(UserError, match=f"{victim.name} is damaged"):
        train()
    assert waits == [1, 2]
    (folder,) = (tmp_path / "cache").iterdir()
    assert not (folder / victim.name).exists()


def test_who_waits_when_it_is_closed_goes_on(records, tmp_path, monkeypatch):
    """A thread that reads ahead, which TensorFlow would wait for."""
    hold, waits, fetched = threading.Event(), threading.Event(), []
    monkeypatch.setattr(ShardCopy, "ensure", lambda copy: hold.wait())

    def fetch():
        waits.set()
        fetched.extend(made.fetch(caches.shards(records)))

    thread = threading.Thread(target=fetch, daemon=True)
    try:
        with caches.make(records, cache_dir=tmp_path / "cache") as made:
            thread.start()
            waits.wait()
        thread.join(20)
        assert fetched == caches.shards(records)
    finally:
        hold.set()


_COPY = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import caches
from trainer.stream import shard_cache
shard_cache._ROOM_LEFT = 0
if len(sys.argv) > 4:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), -1))
records, folder = map(pathlib.Path, sys.argv[2:4])
print("ready", flush=True)
sys.stdin.readline()
with caches.make(records, cache_dir=folder) as made:
    for path in caches.shards(records):
        print(*caches.fetch(made, [path]), flush=True)
"""


def start(records, cache_dir, *arguments):
    """Starts a process that prints the path of each shard when it is there."""
    process = make_ready(records, cache_dir, *arguments)
    go_on(process)
    return process


def go_on(process):
    process.stdin.write("\n")
    process.stdin.flush()


def make_ready(records, cache_dir, *arguments):
    """Starts a process that begins when go_on() is called."""
    command = [
        sys.executable,
        "-c",
        _COPY,
        ROOT / "tests/support",
        records,
        cache_dir,
    ]
    process = subprocess.Popen(
        [*map(str, command), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    return process


def wait_for_unfinished(folder):
    """Waits until a copy has begun; returns its unfinished files."""
    end = time.monotonic() + 60
    while not (found := names(folder, ".*.tmp")):
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


def test_a_killed_copy_goes_on_where_it_was(records, tmp_path):
    *others, last = caches.shards(records)
    data = hide(last)
    process = start(records, tmp_path / "cache")
    for path in others:
        copy = process.stdout.readline().strip()
        assert os.path.basename(copy) == os.path.basename(path)
    (folder,) = (tmp_path / "cache").iterdir()
    wait_for_unfinished(folder)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = times(folder)
    assert len(before) == len(others)
    assert list(folder.glob(".*.tmp"))
    os.unlink(last)
    pathlib.Path(last).write_bytes(data)
    after = times(fetch_all(records, tmp_path / "cache"))
    assert before.items() < after.items()


def test_trainers_that_start_at_once_share_a_cache(records, tmp_path):
    """After one that was killed in the middle of a copy."""
    *others, last = caches.shards(records)
    data = hide(last)
    killed = start(records, tmp_path / "cache")
    for _ in others:
        killed.stdout.readline()
    (folder,) = (tmp_path / "cache").iterdir()
    unfinished = wait_for_unfinished(folder)
    assert len(unfinished) == 1
    whole_file.remove_unfinished(folder)  # As each start does: it is alive.
    assert unfinished == names(folder, ".*.tmp")
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    os.unlink(last)
    pathlib.Path(last).write_bytes(data)
    for path in folder.glob("*.tfrecord"):
        path.unlink()  # All of them are copied by all.
    processes = [make_ready(records, tmp_path / "cache") for _ in range(5)]
    for process in processes:
        go_on(process)
    for process in processes:
        out, errors = process.communicate()
        assert process.returncode == 0, errors
        local = [folder / os.path.basename(p) for p in [*others, last]]
        # Another trainer may have put an equal copy in place of one that is
        # open here: the system then calls the open one deleted.
        names_read = out.replace(" (deleted)", "").split()
        assert names_read == list(map(str, local)), errors
    fetch_all(records, tmp_path / "cache")


def test_a_copy_that_is_lost_in_mid_run_is_read_where_it_lies(
    records, tmp_path, caplog
):
    paths = caches.shards(records)
    with caches.make(records, cache_dir=tmp_path / "cache") as made:
        local = caches.fetch(made, paths)
        replaced, cut, flipped, gone = map(pathlib.Path, local[:4])
        shutil.copy(paths[0], tmp_path / "equal")
        os.replace(tmp_path / "equal", replaced)  # By another trainer.
        cut.write_bytes(cut.read_bytes()[:5])
        flipped.write_bytes(b"x" + flipped.read_bytes()[1:])
        gone.unlink()
        expected = [local[0], *paths[1:4], *local[4:]]
        assert caches.fetch(made, paths) == expected
        assert caches.fetch(made, paths) == expected
        shutil.rmtree(tmp_path / "cache")
        assert made.fetch(paths) == paths
    assert [m.split(" (")[0] for m in caplog.messages] == [
        "--cache_dir: 3 copies are gone or were changed",
        f"--cache_dir: {len(paths) - 3} copies are gone or were changed",
    ]


def delete_after_fetch(made, cache_dir):
    """Returns a fetch() that deletes the copies before they are opened."""

    def fetch(paths):
        local = made.fetch(paths)
        shutil.rmtree(cache_dir, ignore_errors=True)
        return local

    return fetch


@pytest.mark.parametrize("window_shards", [1, 100])
def test_a_copy_that_is_deleted_before_it_is_opened(
    records, tmp_path, window_shards, caplog
):
    """With one window at a time, and with the whole dataset in memory."""
    stream = streams.make_stream(records, window_shards=window_shards)
    assert stream.order.in_memory == (window_shards == 100)
    expected = streams.read(stream.dataset(0, 10))
    with caches.make(records, cache_dir=tmp_path / "cache") as made:
        made.fetch(caches.shards(records))  # All copies are made.
        fetch = delete_after_fetch(made, tmp_path / "cache")
        cached = dataclasses.replace(stream, fetch=fetch)
        streams.assert_same(streams.read(cached.dataset(0, 10)), expected)
    lost = [m for m in caplog.messages if "are gone or were changed" in m]
    assert bool(lost) == (window_shards == 1)  # For later windows.


def test_a_copy_that_another_trainer_replaces_before_it_is_opened(
    records, tmp_path, monkeypatch, caplog
):
    path = caches.shards(records)[0]
    replaced = []

    def replace_and_open(name, *args, os_open=os.open, **options):
        if os.fspath(name) == copy:
            shutil.copy(path, tmp_path / "equal")
            os.replace(tmp_path / "equal", copy)
            replaced.append(copy)
        return os_open(name, *args, **options)

    with caches.make(records, cache_dir=tmp_path / "cache") as made:
        copy = str(made.folders[0] / os.path.basename(path))
        with monkeypatch.context() as patch:
            patch.setattr(shard_copy.os, "open", replace_and_open)
            assert made.fetch([path]) == [copy]
        assert replaced == [copy]
        assert made.fetch([path])[0].startswith("/dev/fd/")
    assert "are gone or were changed" not in caplog.text


@pytest.mark.parametrize("reason", ["no /dev/fd", "half the limit is open"])
def test_a_copy_that_cannot_be_held_is_read_by_its_name(
    records, tmp_path, monkeypatch, limit_open_files, reason
):
    if reason == "no /dev/fd":
        exists = os.path.exists
        monkeypatch.setattr(
            os.path,
            "exists",
            lambda path: not str(path).startswith("/dev/fd") and exists(path),
        )
    else:
        with open(os.devnull, "rb") as file:  # The next free number.
            limit_open_files(2 * file.fileno())
    with caches.make(records, cache_dir=tmp_path / "cache") as made:
        paths = caches.shards(records)
        local = [made.folders[0] / os.path.basename(path) for path in paths]
        assert made.fetch(paths) == list(map(str, local))
        held = [
            os.path.realpath(f"/dev/fd/{number}")
            for number in os.listdir("/proc/self/fd")
        ]
    assert {path in held for path in map(str, local)} == {
        reason == "no /dev/fd"
    }


def test_no_descriptor_is_left_for_a_copy(records, tmp_path, limit_open_files):
    """It is there nevertheless: it is read by its name."""
    shard = dataset_info.read(records).splits["fold0"].shards[0]
    path = tmp_path / "copy"
    copy = ShardCopy(shard, storage.open_folder(records), path)
    copy.ensure()
    with open(os.devnull, "rb") as file:  # The next free number.
        most = file.fileno()
    limit_open_files(most)
    assert copy.hold() == str(path)


def test_an_evaluation_whose_copies_are_deleted_before_they_are_opened(
    records, tmp_path
):
    info = dataset_info.read(records)
    paths = input_pipeline.shard_paths(info, str(records), ("fold0",))

    def read(paths):
        return streams.read(eval_dataset.make(info, paths, batch_size=8))

    with caches.make(records, cache_dir=tmp_path / "cache") as made:
        made.fetch(caches.shards(records))  # All copies are made.
        local = delete_after_fetch(made, tmp_path / "cache")(paths)
        assert not (tmp_path / "cache").exists()
        streams.assert_same(read(local), read(paths))


def test_a_cache_that_is_removed_while_it_is_filled(
    records, tmp_path, monkeypatch, caplog
):
    """No fault of the dataset's: it is read where it lies."""
    file_digest, paths = digests.file_digest, caches.shards(records)

    def verify(path):
        digest = file_digest(path)
        if not removed.is_set():
            removed.set()
            shutil.rmtree(tmp_path / "cache")
        return digest

    removed = threading.Event()
    monkeypatch.setattr(shard_cache, "_THREADS", 1)
    monkeypatch.setattr(digests, "file_digest", verify)
    with caches.make(records, cache_dir=tmp_path / "cache") as made:
        local = caches.fetch(made, paths)
        folder = made.folders[0]
    assert local == [
        paths[0],
        *(str(folder / os.path.basename(path)) for path in paths[1:]),
    ]
    (message,) = caplog.messages
    assert "is not copied" in message
    assert "it is read from its own folder" in message


def test_a_source_that_is_removed_while_it_is_copied(records, tmp_path):
    victim = pathlib.Path(caches.shards(records)[3])
    victim.unlink()
    with (
        caches.make(records, cache_dir=tmp_path / "cache") as made,
        pytest.raises(UserError, match=f"{victim.name} is missing; copy"),
    ):
        made.fetch([str(victim)])


def test_a_copy_that_fails_is_read_where_it_lies(records, tmp_path):
    """A disk that takes no more: no file as long as the longest shard."""
    largest = max(caches.shards(records), key=os.path.getsize)
    limit = os.path.getsize(largest) - 1
    process = start(records, tmp_path / "cache", str(limit))
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    paths = out.split()
    for path, read_path in zip(caches.shards(records), paths, strict=True):
        is_local = os.path.getsize(path) <= limit
        assert (read_path != path) == is_local, (path, read_path)
    assert largest in paths
    assert "is not copied" in errors


def test_a_bug_on_a_thread_is_no_wait_for_ever(records, tmp_path, monkeypatch):
    def ensure(self):
        raise ZeroDivisionError

    monkeypatch.setattr(ShardCopy, "ensure", ensure)
    with pytest.raises(ZeroDivisionError):
        fetch_all(records, tmp_path / "cache")


def test_without_room_nothing_is_copied(records, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(shard_cache, "_ROOM_LEFT", 1 << 60)
    with caches.make(records, cache_dir=tmp_path / "cache") as made:
        assert made.fetch(caches.shards(records)) == caches.shards(records)
    assert [r for r in caplog.messages if "has no room" in r]
    assert times(made.folders[0]) == {}


def test_shards_come_from_gs(records, tmp_path, monkeypatch):
    with gcs_emulators.fake_gcs_server() as host:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", host)
        from storage import gcs_folder

        gcs_folder._clients.__dict__.clear()
        url = f"gs://{gcs_emulators.BUCKET}/records"
        storage.open_folder(url).upload_many(
            {path.name: path for path in records.iterdir()}
        )
        info = dataset_info.read(url)
        dataset = Dataset(info, url, tuple(info.splits))
        with ShardCache([dataset], cache_dir=str(tmp_path / "cache")) as made:
            local = caches.fetch(
                made,
                [
                    f"{url}/{os.path.basename(p)}"
                    for p in caches.shards(records)
                ],
            )
    assert [pathlib.Path(p).read_bytes() for p in local] == [
        pathlib.Path(p).read_bytes() for p in caches.shards(records)
    ]


def test_training_starts_with_the_first_window(records, tmp_path):
    stream = streams.make_stream(records, window_shards=1)
    whole = streams.read(stream.dataset(0, 10))
    last = stream.paths[stream.order.shard_order(0)[-1]]
    size = stream.order.shard_records[stream.order.shard_order(0)[-1]]
    num_ready = (stream.order.records - size) // streams.BATCH
    assert num_ready >= 3
    data = hide(last)
    with caches.make(records, cache_dir=tmp_path / "cache") as made:
        cached = dataclasses.replace(stream, fetch=made.fetch)
        batches = cached.dataset(0, 10).as_numpy_iterator()
        batches_read = [next(batches) for _ in range(num_ready)]
        os.rename(last, tmp_path / "pipe")
        pathlib.Path(last).write_bytes(data)
        # No bytes: the copy fails, and the file is read where it lies now.
        open(tmp_path / "pipe", "wb").close()
        batches_read += batches
        assert os.path.basename(last) not in times(made.folders[0])
    streams.assert_same(batches_read, whole)


def test_both_datasets_of_a_run_are_read_from_the_cache(tiny_records, tmp_path):
    tiny_data.write_dataset(tmp_path / "source", num_images=60, seed=1)
    other = tiny_data.build_records(
        tmp_path / "source", tmp_path / "other", "--background=light"
    )
    data = training_data.read(
        data_dir=str(tiny_records), validation_fold=0, extra_data_dir=str(other)
    )
    asked, given = [], []

    def stream(cache):
        return data.make_stream(
            global_batch_size=8,
            shuffle_window_mb=1,
            seed=0,
            extra_fraction=0.25,
            cache=cache,
        )

    with data.make_cache(str(tmp_path / "cache")) as made:

        def fetch(paths):
            asked.extend(map(os.fsdecode, paths))
            local = made.fetch(paths)
            given.extend(map(os.path.realpath, local))
            return local

        cache = types.SimpleNamespace(fetch=fetch)
        batches = streams.read(stream(cache).dataset(0, 3))
    streams.assert_same(batches, streams.read(stream(None).dataset(0, 3)))
    assert {os.path.dirname(p) for p in asked} == {
        str(tiny_records),
        str(other),
    }
    assert {os.path.dirname(p) for p in given} == set(map(str, made.folders))


def hide(path):
    """Replaces a file by a pipe: a Drive that does not answer yet."""
    data = pathlib.Path(path).read_bytes()
    os.unlink(path)
    os.mkfifo(path)
    return data


def test_op_determinism_does_not_make_the_input_serial(tiny_records):
    """It runs every map with a stateful operation one element at a time.

    Of ours that is the reading of shards, once a window, not the parsing.
    """
    stream = dataclasses.replace(
        streams.make_stream(tiny_records, window_shards=1),
        fetch=lambda paths: [os.fsdecode(path) for path in paths],
    )
    graph = tf.compat.v1.GraphDef.FromString(
        stream.dataset(0, 3)._as_serialized_graph().numpy()
    )
    ops = {n.op for f in graph.library.function for n in f.node_def}
    assert "PyFuncStateless" in ops
    stateful = {
        op
        for op in ops
        if op_def_registry.get(op) and op_def_registry.get(op).is_stateful
    }
    # Of these TensorFlow 2.19 to 2.21 lets all but the last run in parallel
    # (grappler's make_deterministic.cc).
    assert stateful == {
        "RangeDataset",
        "TFRecordDataset",
        "TensorSliceDataset",
        "DatasetToSingleElement",
    }
