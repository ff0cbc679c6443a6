"""Which processes are alive; what is unknown is neither alive nor gone."""

import os
import pathlib
import subprocess
import sys

import pytest

import storage
from storage.ownership import processes, watch
from storage.ownership.lease import Lease
from storage.ownership.owner import Owner
from storage.ownership.watch import Periods

OWNER = Owner("trainer", "training", "run", "--backup_dir")


@pytest.fixture
def process():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1) as found:
        yield found
        found.kill()


def hide(monkeypatch, *hidden):
    """Hides paths below /proc, as a system or a sandbox without them does."""
    read, exists = pathlib.Path.read_text, os.path.exists

    def is_hidden(path):
        return any(str(path).startswith(h) for h in hidden)

    def read_text(self, *args, **options):
        if is_hidden(self):
            raise FileNotFoundError(2, "No such file", str(self))
        return read(self, *args, **options)

    monkeypatch.setattr(pathlib.Path, "read_text", read_text)
    monkeypatch.setattr(
        os.path, "exists", lambda p: not is_hidden(p) and exists(p)
    )


def test_alive_gone_and_another_one_of_that_number(process):
    start = processes.process_start(process.pid)
    assert processes.is_alive(process.pid, start) is True
    assert processes.is_alive(process.pid, "1") is False
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert processes.is_alive(process.pid, start) is False  # A zombie.
    process.wait()
    assert processes.is_alive(process.pid, start) is False


def test_without_proc_nothing_is_known(process, monkeypatch):
    start = processes.process_start(process.pid)
    hide(monkeypatch, "/proc/")
    assert processes.process_start(os.getpid()) is None
    assert processes.is_alive(process.pid, start) is None
    assert processes.is_alive(process.pid, None) is None
    process.kill()
    process.wait()
    # It may be another machine's, of the same name.
    assert processes.is_alive(process.pid, start) is None
    assert processes.machine_id().startswith("host ")


def test_a_process_that_proc_hides_is_unknown_while_it_exists(
    process, monkeypatch
):
    """As a /proc with hidepid hides the processes of other users."""
    start = processes.process_start(process.pid)
    hide(monkeypatch, f"/proc/{process.pid}")
    assert processes.is_alive(process.pid, start) is None
    process.kill()
    process.wait()
    assert processes.is_alive(process.pid, start) is False


def test_without_proc_a_killed_owner_is_waited_out(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "PERIODS", Periods(watch=0.2, poll=0.01))
    hide(monkeypatch, "/proc/")
    folder = storage.open_folder(tmp_path)
    Lease(folder, OWNER).acquire()  # Never released.
    found = Lease(folder, OWNER)
    found.refuse_if_held_here()
    found.acquire()
    assert found.leg == 2


def test_without_proc_a_live_owner_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "PERIODS", Periods(watch=0.2, poll=0.01))
    hide(monkeypatch, "/proc/")
    folder = storage.open_folder(tmp_path)
    owner = Lease(folder, OWNER)
    owner.acquire()
    found = Lease(folder, OWNER)
    owner.renew()
    with pytest.raises(storage.UserError, match="a trainer on another mach"):
        found.acquire()
