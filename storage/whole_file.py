"""Files that appear complete, or not at all.

    .NAME.3f9a21bc.tmp    written and flushed to the disk, then renamed to NAME

A writer locks its temporary file, and the system drops the lock when the
writer ends, however it ends. So what a killed one has left is recognized and
removed by the next that writes the same file. On a mount locks of another
machine may not be seen: there only what is a day old is removed.
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
_OLD = 24 * 3600.0  # Seconds; no writer rests for so long.


@contextlib.contextmanager
def whole_file(
    path: str | os.PathLike, *, sha256: str | None = None
) -> Iterator[BinaryIO]:
    """Yields a file to write; it appears at `path` when it is complete.

    Args:
        path: The file; an older one is replaced.
        sha256: What the digest of the bytes must be; None accepts any.

    Raises:
        DigestError: The digest is another one; `path` is as it was.
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
                sink.close()  # It may fail, or rename no open file.
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def write_whole(path: str | os.PathLike, data: bytes) -> None:
    """Writes a file complete, or not at all."""
    with whole_file(path) as sink:
        sink.write(data)


def remove_unfinished(folder: str | os.PathLike, pattern: str = "*") -> None:
    """Removes what killed writers have left in a folder.

    Args:
        folder: The folder; it need not exist.
        pattern: Glob pattern of the names of the files that they wrote.
    """
    on_mount = mounts.is_mount(folder)
    token = "[0-9a-f]" * 2 * _TOKEN_BYTES
    for path in pathlib.Path(folder).glob(f".{pattern}.{token}.tmp"):
        # Locked, gone already, or on a mount that knows no locks: it stays.
        with contextlib.suppress(OSError), open(path, "rb+") as file:
            age = time.time() - os.fstat(file.fileno()).st_mtime
            if on_mount and age < _OLD:
                continue
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _open_temporary(path: pathlib.Path) -> BinaryIO:
    """Returns a new, locked file beside `path`."""
    while True:
        name = f".{path.name}.{secrets.token_hex(_TOKEN_BYTES)}.tmp"
        sink = open(path.with_name(name), "xb")  # noqa: SIM115
        with contextlib.suppress(OSError):  # A mount may know no locks.
            fcntl.flock(sink, fcntl.LOCK_EX)
        # Another writer may have removed it before it was locked.
        if os.fstat(sink.fileno()).st_nlink:
            return sink
        sink.close()


def _sync_folder(path: pathlib.Path) -> None:
    """Makes a rename in `path` last through a power cut, where that works."""
    with contextlib.suppress(OSError):  # A mount may refuse it.
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
