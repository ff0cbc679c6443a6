"""A .zip file as a read-only folder, for example Kaggle's download."""

import os
import pathlib
import shutil
import zipfile
import zlib
from collections.abc import Mapping

from storage import digests, hangs, retry, whole_file
from storage.errors import UserError
from storage.folder import Folder


def is_encrypted(member: zipfile.ZipInfo) -> bool:
    """Returns whether a member can only be read with a password."""
    return bool(member.flag_bits & 1)


@hangs.all_reported
class ZipFolder:
    """A .zip file; see `storage.folder.Folder`.

    The names are those of the files alone: folders inside the zip are ignored.
    """

    path = None

    def __init__(self, path: str | pathlib.Path) -> None:
        self.url = str(path)
        self._file = pathlib.Path(path).expanduser()
        self._members: dict[str, zipfile.ZipInfo] = {}
        try:
            with zipfile.ZipFile(self._file) as archive:
                members = [m for m in archive.infolist() if not m.is_dir()]
        except zipfile.BadZipFile as error:
            raise self._damaged(error) from None
        except NotImplementedError as error:
            raise self._unreadable(error) from None
        for member in members:
            name = pathlib.PurePosixPath(member.filename).name
            if name in self._members:
                raise UserError(f"{self.url}: two files are called {name}")
            self._members[name] = member

    def list(self) -> dict[str, int]:
        return {name: m.file_size for name, m in self._members.items()}

    def read_bytes(self, name: str) -> bytes:
        member = self._member(name)

        def read() -> bytes:
            with zipfile.ZipFile(self._file) as archive:
                return archive.read(member)

        try:
            return retry.retry(read, f"{self.url}: reading {name}")
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise self._damaged(error) from None
        except NotImplementedError as error:
            raise self._unreadable(error) from None

    def download(
        self, name: str, path: str | pathlib.Path, *, sha256: str | None = None
    ) -> None:
        member = self._member(name)

        def extract() -> None:
            with (
                zipfile.ZipFile(self._file) as archive,
                archive.open(member) as source,
                whole_file.whole_file(path, sha256=sha256) as sink,
            ):
                shutil.copyfileobj(source, sink, 8 << 20)

        try:
            retry.retry(extract, f"{self.url}: extracting {name}")
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise self._damaged(error) from None
        except NotImplementedError as error:
            raise self._unreadable(error) from None

    def has_same_bytes(
        self,
        path: str | pathlib.Path,
        name: str,
        *,
        sha256: str | None = None,
    ) -> bool:
        member = self._members.get(name)
        if member is None or member.file_size != os.path.getsize(path):
            return False
        if sha256 is not None and digests.file_digest(path) != sha256:
            return False
        crc = 0
        with open(path, "rb") as file:
            while data := file.read(8 << 20):
                crc = zlib.crc32(data, crc)
        return crc == member.CRC

    def replace(self, name: str, data: bytes) -> None:
        raise self._read_only()

    def create(self, name: str, data: bytes) -> None:
        raise self._read_only()

    def upload(self, path: str | pathlib.Path, name: str) -> None:
        raise self._read_only()

    def upload_many(self, files: Mapping[str, str | pathlib.Path]) -> None:
        raise self._read_only()

    def move_in(self, source: Folder, name: str, new_name: str) -> None:
        raise self._read_only()

    def delete(self, name: str) -> None:
        raise self._read_only()

    def make(self) -> None:
        raise self._read_only()

    def _member(self, name: str) -> zipfile.ZipInfo:
        if name not in self._members:
            raise FileNotFoundError(2, "no such file in the zip", name)
        member = self._members[name]
        if is_encrypted(member):
            raise self._unreadable(f"{name} is encrypted")
        return member

    def _damaged(self, error: Exception) -> UserError:
        return UserError(
            f"{self.url}: not a complete zip file ({error}); download it again"
        )

    def _unreadable(self, why: object) -> UserError:
        return UserError(
            f"{self.url}: {why}; extract the zip file with another program, "
            "and give the folder"
        )

    def _read_only(self) -> UserError:
        return UserError(f"{self.url}: a zip file cannot be written to")
