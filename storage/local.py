"""A folder on this machine: its own disk, or a mount such as Google Drive."""

import contextlib
import errno
import os
import pathlib
import shutil
import uuid

from storage.errors import UserError

_COPY_BYTES = 8 << 20  # 8 MiB a read: a mount has a high cost a call.


class LocalFolder:
    """See `storage.folder.Folder`."""

    def __init__(self, path: str | pathlib.Path):
        self.path = pathlib.Path(path).expanduser()
        self.url = str(path)

    def list(self) -> dict[str, int]:
        try:
            with os.scandir(self.path) as entries:
                return {
                    e.name: e.stat().st_size for e in entries if e.is_file()
                }
        except FileNotFoundError:
            return {}
        except NotADirectoryError:
            raise UserError(
                f"{self.path}: expected a folder, got a file"
            ) from None

    def read_bytes(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def write_once(self, name: str, data: bytes) -> None:
        final = self.path / name
        if final.exists():
            raise FileExistsError(errno.EEXIST, "already there", str(final))
        with self._whole_file(name, data) as temp:
            try:
                os.link(temp, final)  # Fails where another was first.
            except OSError as error:
                # Drive and some mounts know no hard links.
                if error.errno == errno.EEXIST:
                    raise
                os.rename(temp, final)
        _sync_folder(self.path)

    def replace(self, name: str, data: bytes) -> None:
        with self._whole_file(name, data) as temp:
            os.replace(temp, self.path / name)
        _sync_folder(self.path)

    def upload(self, path: str | pathlib.Path, name: str) -> None:
        with open(path, "rb") as source, open(self.path / name, "xb") as sink:
            shutil.copyfileobj(source, sink, _COPY_BYTES)
            sink.flush()
            os.fsync(sink.fileno())

    def download(self, name: str, path: str | pathlib.Path) -> None:
        path = pathlib.Path(path)
        temp = _temp_name(path)
        try:
            with (
                open(self.path / name, "rb") as source,
                open(temp, "xb") as sink,
            ):
                shutil.copyfileobj(source, sink, _COPY_BYTES)
                sink.flush()
                os.fsync(sink.fileno())
            os.replace(temp, path)
        finally:
            temp.unlink(missing_ok=True)
        _sync_folder(path.parent)

    def delete(self, name: str) -> None:
        # Drive's trash counts against the quota, so its bytes go first.
        with contextlib.suppress(FileNotFoundError):
            os.truncate(self.path / name, 0)
            os.unlink(self.path / name)

    def make(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise UserError(
                f"{self.path}: expected a folder, got a file"
            ) from None

    @contextlib.contextmanager
    def _whole_file(self, name: str, data: bytes):
        """Yields a synced temporary file of `data`; removes it in the end."""
        temp = _temp_name(self.path / name)
        try:
            with open(temp, "xb") as sink:
                sink.write(data)
                sink.flush()
                os.fsync(sink.fileno())
            yield temp
        finally:
            temp.unlink(missing_ok=True)


def _temp_name(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")


def _sync_folder(path: pathlib.Path) -> None:
    """Makes a rename in `path` last through a power cut, where that works."""
    with contextlib.suppress(OSError):  # A mount may refuse it.
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
