"""Only one process at a time may use a workdir.

    with workdir_lock.hold(workdir):

The operating system releases the lock when the process ends, even if it is
killed. The backup folder, which several machines see, needs more:
storage/ownership/.
"""

import contextlib
import fcntl
import os
import pathlib
from collections.abc import Iterator
from typing import TextIO

from absl import logging

from storage import UserError

_NAME = ".lock"  # Holds the number of the process; removed when it ends.


@contextlib.contextmanager
def hold(workdir: pathlib.Path) -> Iterator[None]:
    """Locks a workdir against other runs; creates it if it does not exist.

    Raises:
        UserError: Another process holds the lock.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    with _open_locked(workdir / _NAME) as file:
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(file.name)


def _open_locked(path: pathlib.Path) -> TextIO:
    """Returns the lock file, open and locked."""
    while True:
        file = open(path, "a+", encoding="utf-8")  # noqa: SIM115
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read() or "that has just started"
            file.close()
            raise UserError(
                f"{path.parent} is in use by process {holder} of this "
                f"machine: wait for it, stop it, or give another "
                "--workdir"
            ) from None
        except OSError as error:  # A mount may not support locks.
            logging.warning(
                "%s cannot be locked (%s): make sure that no other run uses it",
                path.parent,
                error,
            )
        # Another process may have removed the file before it was locked.
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()
