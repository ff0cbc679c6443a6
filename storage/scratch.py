"""Temporary folders that do not remain after a process was killed.

    with Scratch() as folder:           # A pathlib.Path in TMPDIR.

A process locks its folders, and the operating system releases the lock when the
process ends, even if it is killed. So each new Scratch finds and removes the
folders of killed processes in the same parent.
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
    """A temporary folder; it is removed at the latest with this object.

    Args:
        parent: Its parent folder; None: the folder for temporary files
            (TMPDIR).

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
            with contextlib.suppress(OSError):  # A mount may have no locks.
                fcntl.flock(lock, fcntl.LOCK_EX)
            # Another process may have removed it before it was locked.
            if self.path.exists():
                return
            self._remove()

    def remove(self) -> None:
        """Removes the folder with its content."""
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
    """Removes the folders of killed processes, but none on a mount."""
    if mounts.is_mount(parent):  # Another machine's lock may be invisible.
        return
    for path in parent.glob(f"{_PREFIX}*"):
        # A folder that is locked, already gone or of another user is skipped.
        with contextlib.suppress(OSError):
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
            lock = os.open(path, flags)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)
