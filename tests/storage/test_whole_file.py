"""Files that appear complete, or not at all."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import time

import pytest

import storage
from storage import DigestError, whole_file


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_old_file_stays_until_the_new_one_is_complete(
    tmp_path, monkeypatch
):
    path = tmp_path / "scores.json"
    storage.write_whole(path, b"old")
    with monkeypatch.context() as patch:
        patch.setattr(whole_file.os, "fsync", _no_space)
        with pytest.raises(OSError, match="No space"):
            storage.write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    storage.write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["scores.json"]


def _no_space(descriptor):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_an_error_leaves_nothing(tmp_path):
    file = whole_file.whole_file(tmp_path / "a")
    file.__enter__().write(b"half")
    assert len(names(tmp_path)) == 1
    with pytest.raises(KeyError, match="stop"):
        file.gen.throw(KeyError("stop"))
    assert names(tmp_path) == []


def test_another_digest_is_refused(tmp_path):
    path = tmp_path / "a"
    digest = hashlib.sha256(b"right").hexdigest()
    with whole_file.whole_file(path, sha256=digest) as sink:
        sink.write(b"right")
    with (
        pytest.raises(DigestError, match=f"expected sha256 {digest}, got"),
        whole_file.whole_file(path, sha256=digest) as sink,
    ):
        sink.write(b"wrong")
    assert path.read_bytes() == b"right"
    assert names(tmp_path) == ["a"]


_WRITER = """
import sys
from storage import whole_file
with whole_file.whole_file(sys.argv[1]) as sink:
    sink.write(b"half")
    sink.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_writer_left_goes_and_a_live_one_s_stays(tmp_path):
    path = tmp_path / "a[1].txt"
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout.readline() == "writing\n"
    (temporary,) = names(tmp_path)
    storage.write_whole(path, b"another")
    whole_file.remove_unfinished(tmp_path)
    assert names(tmp_path) == [temporary, path.name]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    storage.write_whole(tmp_path / "b", b"")  # It is not of this file.
    assert temporary in names(tmp_path)
    storage.write_whole(path, b"complete")
    assert names(tmp_path) == [path.name, "b"]
    assert path.read_bytes() == b"complete"


def test_all_that_killed_writers_left_in_a_folder_goes(tmp_path):
    unfinished = (".a.3f9a21bc.tmp", ".b.parquet.00000000.tmp")
    for name in (*unfinished, ".my.notes.tmp", "c.tmp"):
        (tmp_path / name).write_bytes(b"half")
    whole_file.remove_unfinished(tmp_path / "missing")
    whole_file.remove_unfinished(tmp_path)
    assert names(tmp_path) == [".my.notes.tmp", "c.tmp"]


def test_on_a_mount_only_what_is_old_goes(tmp_path, monkeypatch):
    """Another machine's lock may not be seen there."""
    monkeypatch.setattr(whole_file.mounts, "is_mount", lambda path: True)
    day = 24 * 3600
    for name, age in (("0000000a", day - 60), ("0000000b", day + 60)):
        path = tmp_path / f".a.{name}.tmp"
        path.write_bytes(b"half")
        os.utime(path, (0, time.time() - age))
    storage.write_whole(tmp_path / "a", b"complete")
    assert names(tmp_path) == [".a.0000000a.tmp", "a"]
    whole_file.remove_unfinished(tmp_path)
    assert names(tmp_path) == [".a.0000000a.tmp", "a"]
