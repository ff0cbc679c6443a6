"""A folder on this machine: its own disk, or a mount such as Google Drive."""

import contextlib
import os
import pathlib
import shutil
from collections.abc import Mapping
from typing import BinaryIO

from storage import digests, hangs, retry, whole_file
from storage.errors import UserError
from storage.folder import Folder

_COPY_BYTES = 8 << 20  # 8 MiB per read: each call to a mount is slow.


@hangs.all_reported
class LocalFolder:
    """A folder on this machine; see `storage.folder.Folder`."""

    def __init__(self, path: str | pathlib.Path) -> None:
        self.path = pathlib.Path(path).expanduser()
        self.url = str(path)

    def list(self) -> dict[str, int]:
        try:
            return retry.retry(self._list, f"{self.url}: listing")
        except FileNotFoundError:
            return {}
        except NotADirectoryError:
            raise self._no_folder() from None

    def read_bytes(self, name: str) -> bytes:
        path = self.path / name
        return retry.retry(path.read_bytes, f"{path}: reading")

    def replace(self, name: str, data: bytes) -> None:
        path = self.path / name
        retry.retry(
            lambda: whole_file.write_whole(path, data), f"{path}: writing"
        )

    def create(self, name: str, data: bytes) -> None:
        with open(self.path / name, "xb") as sink:
            sink.write(data)
            sink.flush()
            os.fsync(sink.fileno())

    def upload(self, path: str | pathlib.Path, name: str) -> None:
        # Not repeated after a failure; see storage.folder.Folder.
        with open(path, "rb") as file, open(self.path / name, "xb") as sink:
            shutil.copyfileobj(file, sink, _COPY_BYTES)
            sink.flush()
            os.fsync(sink.fileno())

    def upload_many(self, files: Mapping[str, str | pathlib.Path]) -> None:
        for name, path in files.items():
            self.upload(path, name)

    def download(
        self, name: str, path: str | pathlib.Path, *, sha256: str | None = None
    ) -> None:
        with whole_file.whole_file(path, sha256=sha256) as sink:
            _copy(self.path / name, sink, from_disk=sha256 is not None)

    def move_in(self, source: Folder, name: str, new_name: str) -> None:
        if source.path is None:
            raise TypeError(f"{source.url} is not a local folder")
        os.replace(source.path / name, self.path / new_name)

    def has_same_bytes(
        self,
        path: str | pathlib.Path,
        name: str,
        *,
        sha256: str | None = None,
    ) -> bool:
        theirs = self.path / name

        def compare() -> bool:
            if sha256 is None:
                return _equal(theirs, path)
            _forget(theirs)
            return digests.file_digest(theirs) == sha256

        try:
            if theirs.stat().st_size != os.path.getsize(path):
                return False
            return retry.retry(compare, f"{theirs}: reading")
        except FileNotFoundError:
            return False

    def delete(self, name: str) -> None:
        # Drive's trash counts against the quota, so truncate the file first.
        # Not with os.truncate(): rclone's mount returns EIO for it while the
        # file waits for its upload (rclone 1.60).
        with contextlib.suppress(FileNotFoundError):
            with open(self.path / name, "r+b") as file:
                file.truncate(0)
            os.unlink(self.path / name)

    def make(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise self._no_folder() from None

    def _list(self) -> dict[str, int]:
        sizes = {}
        with os.scandir(self.path) as entries:
            for entry in entries:
                # Another process may remove it before its size is read.
                with contextlib.suppress(FileNotFoundError):
                    if entry.is_file():
                        sizes[entry.name] = entry.stat().st_size
        return sizes

    def _no_folder(self) -> UserError:
        return UserError(f"{self.path}: expected a folder, got a file")


def _copy(
    source: str | pathlib.Path, sink: BinaryIO, *, from_disk: bool
) -> None:
    """Copies a file; continues where it stopped after a mount's error."""

    def copy() -> None:
        if from_disk:
            _forget(source)
        with open(source, "rb") as file:
            file.seek(sink.tell())
            shutil.copyfileobj(file, sink, _COPY_BYTES)

    retry.retry(copy, f"{source}: copying")


def _forget(path: str | pathlib.Path) -> None:
    """Drops a file from the page cache of the operating system.

    So a file that is verified is read from its disk, and a file with a read
    error is read again. On a Mac this does nothing, since there is no call for
    it.
    """
    if not hasattr(os, "posix_fadvise"):
        return
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _equal(one: str | pathlib.Path, other: str | pathlib.Path) -> bool:
    """Compares bytes, which is several times as fast as two digests."""
    with open(one, "rb") as first, open(other, "rb") as second:
        while data := first.read(_COPY_BYTES):
            if data != second.read(_COPY_BYTES):
                return False
        return not second.read(1)
