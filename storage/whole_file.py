"""Files that appear complete, or not at all.

    .NAME.3f9a21bc.tmp    written and flushed to the disk, then renamed to NAME

A writer locks its temporary file, and the operating system releases the lock
when the writer ends, even if it is killed. So the next writer of the same file
can find and remove the file of a killed writer. On a mount, locks of another
machine may be invisible, so only files older than a day are removed there.
"""

import contextlib
import fcntl
import glob
import os
import pathlib
import secrets
import time
from collections.abc import Iterator
from typing import BinaryIO

from storage import digests, mounts
from storage.errors import DigestError

_TOKEN_BYTES = 4
_OLD = 24 * 3600.0  # Seconds; no writer pauses for that long.


@contextlib.contextmanager
def whole_file(
    path: str | os.PathLike, *, sha256: str | None = None
) -> Iterator[BinaryIO]:
    """Yields a file to write; it appears at `path` when it is complete.

    Args:
        path: The file; an old file is replaced.
        sha256: The digest that the bytes must have; None accepts any.

    Raises:
        DigestError: The digest is another one; `path` is not changed.
    """
    path = pathlib.Path(path)
    on_mount = mounts.is_mount(path.parent)
    remove_unfinished(path.parent, glob.escape(path.name))
    sink = _open_temporary(path)
    temporary = pathlib.Path(sink.name)
    try:
        with sink:
            yield sink
            sink.flush()
            os.fsync(sink.fileno())
            if sha256 and (digest := digests.file_digest(temporary)) != sha256:
                raise DigestError(f"expected sha256 {sha256}, got {digest}")
            if on_mount:
                sink.close()  # Before the rename: this may fail on a mount.
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def write_whole(path: str | os.PathLike, data: bytes) -> None:
    """Writes a file completely, or not at all."""
    with whole_file(path) as sink:
        sink.write(data)


def remove_unfinished(folder: str | os.PathLike, pattern: str = "*") -> None:
    """Removes the temporary files of killed writers in a folder.

    Args:
        folder: The folder; it need not exist.
        pattern: Glob pattern of the names of the files that they wrote.
    """
    on_mount = mounts.is_mount(folder)
    token = "[0-9a-f]" * 2 * _TOKEN_BYTES
    for path in pathlib.Path(folder).glob(f".{pattern}.{token}.tmp"):
        # A file that is locked, already gone, or on a mount without locks is
        # skipped.
        with contextlib.suppress(OSError), open(path, "rb+") as file:
            age = time.time() - os.fstat(file.fileno()).st_mtime
            if on_mount and age < _OLD:
                continue
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _open_temporary(path: pathlib.Path) -> BinaryIO:
    """Returns a new, locked file in the folder of `path`."""
    while True:
        name = f".{path.name}.{secrets.token_hex(_TOKEN_BYTES)}.tmp"
        sink = open(path.with_name(name), "xb")  # noqa: SIM115
        with contextlib.suppress(OSError):  # A mount may have no locks.
            fcntl.flock(sink, fcntl.LOCK_EX)
        # Another writer may have removed it before it was locked.
        if os.fstat(sink.fileno()).st_nlink:
            return sink
        sink.close()


def _sync_folder(path: pathlib.Path) -> None:
    """Makes a rename in `path` survive a power failure, if that is possible."""
    with contextlib.suppress(OSError):  # A mount may refuse it.
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
