"""Temporary folders that do not stay where a process is killed.

    with Scratch() as folder:           # A pathlib.Path in TMPDIR.

A process locks its folders, and the system drops the lock when the process
ends, however it ends. So whoever makes a folder knows, and removes, those that
killed processes have left beside it.
"""

import contextlib
import fcntl
import os
import pathlib
import shutil
import tempfile
import types
import weakref

from storage import mounts

_PREFIX = ".bengali-trainer-"


class Scratch:
    """A temporary folder; it goes at the latest with this object.

    Args:
        parent: Where to make it; None: where temporary files go (TMPDIR).

    Attributes:
        path: The folder.
    """

    def __init__(self, parent: str | os.PathLike | None = None) -> None:
        parent = pathlib.Path(parent or tempfile.gettempdir())
        _remove_abandoned(parent)
        while True:
            self.path = pathlib.Path(tempfile.mkdtemp("", _PREFIX, parent))
            lock = os.open(self.path, os.O_RDONLY)
            self._remove = weakref.finalize(self, _remove, self.path, lock)
            with contextlib.suppress(OSError):  # A mount may know no locks.
                fcntl.flock(lock, fcntl.LOCK_EX)
            # Another process may have removed it before it was locked.
            if self.path.exists():
                return
            self._remove()

    def remove(self) -> None:
        """Removes the folder and what is in it."""
        self._remove()

    def __enter__(self) -> pathlib.Path:
        return self.path

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self.remove()


def _remove(path: pathlib.Path, lock: int) -> None:
    shutil.rmtree(path, ignore_errors=True)
    os.close(lock)


def _remove_abandoned(parent: pathlib.Path) -> None:
    """Removes the folders of killed processes; on a mount, none."""
    if mounts.is_mount(parent):  # Another machine's lock may not be seen.
        return
    for path in parent.glob(f"{_PREFIX}*"):
        # Locked, gone already, or another user's: it stays.
        with contextlib.suppress(OSError):
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
            lock = os.open(path, flags)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)
