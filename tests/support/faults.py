"""Faults at the n-th call of the system that touches a folder.

with faults.at(folder, 7, faults.error(errno.EIO)):
    …                     # The 7th call fails, the others do not.

Calls are those that Python's audit events show (open, scandir, rename, remove,
mkdir, rmdir, truncate), and fsync of a file of the folder.
"""

import contextlib
import os
import sys
import threading

_EVENTS = {
    "open",
    "os.scandir",
    "os.listdir",
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.truncate",
}


class Kill(BaseException):
    """The process is gone at this call."""


class Plan:
    """Which calls fail, and how.

    Attributes:
        calls: Calls so far.
        log: What they were.
    """

    def __init__(self, folder, number, act, *, forever):
        self.folder = os.path.join(os.path.realpath(folder), "")
        self.number = number
        self.act = act
        self.forever = forever
        self.calls = 0
        self.log = []
        self._lock = threading.Lock()

    def touch(self, event, path):
        if not isinstance(path, str | os.PathLike):
            return
        path = os.path.join(os.path.realpath(path), "")
        if not path.startswith(self.folder):
            return
        with self._lock:
            self.calls += 1
            number = self.calls
            self.log.append(f"{event} {os.path.relpath(path, self.folder)}")
        if number == self.number or (self.forever and number > self.number):
            self.act()


def error(code):
    """Returns what raises an OSError with an errno."""

    def act():
        raise OSError(code, os.strerror(code))

    return act


def kill():
    raise Kill


_plan: Plan | None = None
_installed = False


def _on_event(event, args):
    if _plan is not None and event in _EVENTS and args:
        _plan.touch(event, args[0])


@contextlib.contextmanager
def at(folder, number, act=kill, *, forever=False):
    """Lets the `number`-th call, from 1, run `act`; 0 only counts."""
    global _plan, _installed
    if not _installed:
        sys.addaudithook(_on_event)  # For good: Python removes none.
        _installed = True
    plan = Plan(folder, number, act, forever=forever)
    fsync = os.fsync

    def watched(descriptor):
        with contextlib.suppress(FileNotFoundError):
            plan.touch("fsync", os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    _plan, os.fsync = plan, watched
    try:
        yield plan
    finally:
        _plan, os.fsync = None, fsync
