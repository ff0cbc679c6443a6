"""Folders of one cache: which are in use, and which make room for another.

Every process that uses a folder holds a shared lock on its file `lock`, which
the system releases when the process ends, however it ends.
"""

import fcntl
import pathlib
import shutil
from typing import BinaryIO

from absl import logging

_LOCK = "lock"


def use(folder: pathlib.Path) -> BinaryIO:
    """Makes a folder and marks it as used until the result is closed.

    What a process that was killed has left half-written there is removed.
    """
    lock = _open_lock(folder)
    if _take(lock):
        for path in folder.glob(".*.tmp"):
            path.unlink()
    fcntl.flock(lock, fcntl.LOCK_SH)
    return lock


def make_room(folder: pathlib.Path, needed: int) -> int:
    """Removes siblings of `folder` that are not in use, the oldest first.

    Args:
        folder: What room is needed for.
        needed: Bytes. If they cannot be had, nothing is removed.

    Returns:
        Free bytes, those of all removable siblings included.
    """
    free = shutil.disk_usage(folder).free
    unused = []
    for other in folder.parent.glob(f"{folder.name.partition('-')[0]}-*"):
        if other != folder and (other / _LOCK).exists():
            lock = _open_lock(other)
            if _take(lock):
                size = sum(p.stat().st_size for p in other.iterdir())
                unused.append((other.stat().st_mtime, other, size, lock))
            else:
                lock.close()
    room = free + sum(size for _, _, size, _ in unused)
    for _, other, size, lock in sorted(unused, key=lambda u: u[0]):
        with lock:
            if free < needed <= room:
                logging.info("Removing %s, to make room", other)
                shutil.rmtree(other)
                free += size
    return room


def _open_lock(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return open(folder / _LOCK, "wb")


def _take(lock):
    """Returns whether no other process uses the folder, and then locks it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
