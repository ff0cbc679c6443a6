"""Temporary folders go with their process, however that ends."""

import os
import pathlib
import signal
import subprocess
import sys
import zipfile

from storage import Scratch, scratch

_HOLD = """
import sys
import storage
scratch = storage.Scratch(sys.argv[1])
(scratch.path / "archive").write_bytes(b"half")
print(scratch.path, flush=True)
sys.stdin.read()
"""


def start(parent):
    """Returns a process that holds a folder, and the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, parent],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return process, pathlib.Path(process.stdout.readline().strip())


def test_it_goes_with_its_block_and_with_its_object(tmp_path):
    with Scratch(tmp_path) as folder:
        (folder / "a").write_bytes(b"1")
        assert list(tmp_path.iterdir()) == [folder]
    assert list(tmp_path.iterdir()) == []
    kept = Scratch(tmp_path)
    kept.remove()
    kept.remove()
    dropped = Scratch(tmp_path)
    assert list(tmp_path.iterdir()) == [dropped.path]
    del dropped
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_goes_and_a_live_one_s_stays(tmp_path):
    mine = tmp_path / ".bengali-trainer.txt"
    mine.write_text("of the user's")
    killed, abandoned = start(tmp_path)
    live, used = start(tmp_path)
    assert {abandoned, used, mine} == set(tmp_path.iterdir())
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert abandoned.exists()
    with Scratch(tmp_path) as folder:
        assert {folder, used, mine} == set(tmp_path.iterdir())
        assert (used / "archive").read_bytes() == b"half"
    live.communicate()  # It comes to its end.
    assert list(tmp_path.iterdir()) == [mine]


def test_on_a_mount_nothing_is_removed(tmp_path, monkeypatch):
    (tmp_path / f"{scratch._PREFIX}a").mkdir()
    monkeypatch.setattr(scratch.mounts, "is_mount", lambda path: True)
    with Scratch(tmp_path):
        pass
    assert [p.name for p in tmp_path.iterdir()] == [f"{scratch._PREFIX}a"]


_SPOOL = """
import os, signal, sys
import storage
spool = storage.Spool(storage.open_folder(sys.argv[1]))
print(spool.local_path("a"), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_spool_of_a_killed_process_goes(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("a", b"123")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-c", _SPOOL, tmp_path / "all.zip"]
    for _ in range(2):
        killed = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join(sys.path)}
            | {"TMPDIR": str(temporary)},
            check=False,
        )
        path = pathlib.Path(os.fsdecode(killed.stdout).strip())
        assert killed.returncode == -signal.SIGKILL
        assert list(temporary.iterdir()) == [path.parent]
