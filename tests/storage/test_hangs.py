"""A call that does not end is reported repeatedly, and waited for."""

import contextlib
import os
import threading
import types

import pytest

import storage
from storage import hangs
from storage.mount_guard import MountGuard


class Gate:
    """Blocks a call until `count` more lines have been logged."""

    def __init__(self, monkeypatch):
        monkeypatch.setattr(hangs, "REPORT_SECONDS", 0.01)
        monkeypatch.setattr(hangs.logging, "warning", self._on_line)
        self.lines = []
        self._more = threading.Condition()

    def wait(self, count=2):
        with self._more:
            count += len(self.lines)
            assert self._more.wait_for(lambda: len(self.lines) >= count, 20)

    def _on_line(self, text, *values):
        with self._more:
            self.lines.append(text % values)
            self._more.notify_all()


@pytest.fixture
def gate(monkeypatch):
    return Gate(monkeypatch)


def test_a_hang_is_reported_repeatedly_with_its_age(gate, monkeypatch):
    times = iter([100.0, 160.0, 220.4])
    clock = types.SimpleNamespace(monotonic=lambda: next(times, 0.0))
    monkeypatch.setattr(hangs, "time", clock)
    with hangs.reported("/drive/run", "listing its files"):
        gate.wait()
    assert gate.lines[:2] == [
        f"/drive/run: listing its files has not ended for {seconds} s: the "
        "folder is slow or does not answer; waiting"
        for seconds in (60, 120)
    ]


def test_of_several_only_the_oldest_is_reported(gate):
    with hangs.reported("/one", "reading a file"):
        with hangs.reported("/two", "reading a file"):
            gate.wait()
        with hangs.reported("/three", "reading a file"):
            gate.wait()
    assert {line.split(":")[0] for line in gate.lines} == {"/one"}
    with hangs.reported("/four", "reading a file"):
        gate.wait()
    assert gate.lines[-1].startswith("/four")


def test_a_call_that_fails_is_no_longer_waited_for():
    with contextlib.suppress(ZeroDivisionError), hangs.reported("/one", "x"):
        raise ZeroDivisionError
    assert hangs._running == []


def test_after_a_ctrl_c_at_the_start_nothing_is_waited_for(monkeypatch):
    """Otherwise later calls would never be reported."""

    def start(thread):
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt), hangs.reported("/one", "x"):
        pass
    assert hangs._running == []


def test_without_a_thread_the_call_is_still_made(tmp_path, monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    folder = storage.open_folder(tmp_path)
    folder.replace("a", b"1")
    assert folder.list() == {"a": 1}


def test_a_hang_while_the_mount_is_checked_is_reported(
    gate, tmp_path, monkeypatch
):
    """os.stat() itself may hang; it raises no audit event."""
    stat = os.stat

    def hanging(path, *args, **options):
        if os.fspath(path) == str(tmp_path):
            gate.wait()
        return stat(path, *args, **options)

    monkeypatch.setattr(os, "stat", hanging)
    guard = MountGuard(storage.open_folder(tmp_path), tmp_path / "note")
    for act in (guard.remember, guard.check):
        count = len(gate.lines)
        act()
        assert gate.lines[count].startswith(
            f"{tmp_path}: checking its mount has not ended"
        )


def test_every_call_of_a_folder_is_reported(tmp_path, monkeypatch):
    seen = []

    @contextlib.contextmanager
    def reported(url, what):
        seen.append((url, what))
        yield

    monkeypatch.setattr(hangs, "reported", reported)
    folder = storage.open_folder(tmp_path / "drive")
    local = tmp_path / "local"
    local.write_bytes(b"1")
    folder.make()
    folder.create("a", b"1")
    folder.replace("b", b"1")
    folder.upload(local, "c")
    folder.move_in(storage.open_folder(tmp_path), "local", "d")
    assert folder.read_bytes("d") == b"1"
    folder.download("d", local)
    assert folder.has_same_bytes(local, "d")
    folder.delete("d")
    assert set(folder.list()) == {"a", "b", "c"}
    assert {url for url, _ in seen} == {folder.url}
    assert len(seen) == 10
