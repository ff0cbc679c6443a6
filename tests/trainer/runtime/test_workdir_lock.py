"""A workdir is used by one process at a time, whatever ends that process."""

import os
import subprocess
import sys

import pytest

from storage import UserError
from trainer.runtime import workdir_lock

_HOLD = """
import pathlib, sys
from trainer.runtime import workdir_lock
with workdir_lock.hold(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    input()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the folder."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, tmp_path / "w"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_and_the_first_named(other, tmp_path):
    expected = f"w is in use by process {other.pid} of this .* --workdir"
    for _ in range(2):
        with (
            pytest.raises(UserError, match=expected),
            workdir_lock.hold(tmp_path / "w"),
        ):
            pass


@pytest.mark.parametrize("end", ["it leaves", "it is killed"])
def test_it_is_free_when_the_process_has_ended(other, tmp_path, end):
    if end == "it leaves":
        other.communicate("\n")
        assert not any((tmp_path / "w").iterdir())
    else:
        other.kill()
        other.wait()
    with workdir_lock.hold(tmp_path / "w"):
        assert (tmp_path / "w" / ".lock").read_text() == str(os.getpid())
    assert not any((tmp_path / "w").iterdir())


def test_a_lock_file_that_is_removed_at_the_last_moment(tmp_path, monkeypatch):
    """The holder removes it after it was opened here: it locks nothing."""
    flock, removed = workdir_lock.fcntl.flock, []

    def remove_first(file, operation):
        flock(file, operation)
        if not removed:
            removed.append(file.name)
            os.unlink(file.name)

    monkeypatch.setattr(workdir_lock.fcntl, "flock", remove_first)
    with workdir_lock.hold(tmp_path):
        assert len(removed) == 1
        monkeypatch.undo()
        with (
            pytest.raises(UserError, match="in use"),
            workdir_lock.hold(tmp_path),
        ):
            pass
