"""The interface of a folder; storage/urls.py opens one."""

import pathlib
from collections.abc import Mapping
from typing import Protocol


class Folder(Protocol):
    """Files in one folder. Names are direct children, without a slash.

    An operation that fails for a moment, on a mount or in a network, is
    repeated a few times. If it still fails, it raises an OSError or UserError.
    """

    url: str

    @property
    def path(self) -> pathlib.Path | None:
        """The local path; None if the folder is not local."""

    def list(self) -> dict[str, int]:
        """Returns each file's size in bytes, by name; {} without a folder."""

    def read_bytes(self, name: str) -> bytes:
        """Returns a file's content; FileNotFoundError if it is missing."""

    def replace(self, name: str, data: bytes) -> None:
        """Writes a small file completely; replaces an old file of that name."""

    def create(self, name: str, data: bytes) -> None:
        """Writes a small file under a name that does not exist yet.

        If several processes try it, only one succeeds. On a mount this is true
        only for the processes of one machine.

        Raises:
            FileExistsError: The file exists.
        """

    def upload(self, path: str | pathlib.Path, name: str) -> None:
        """Copies a local file to the folder, to a name that does not exist yet.

        The bytes are written directly to that name, because a rename is not
        reliable everywhere. A digest in a manifest that is written later shows
        whether the file is complete. A failed upload is not repeated here,
        because a part of the file may remain: the caller deletes it or chooses
        another name.
        """

    def upload_many(self, files: Mapping[str, str | pathlib.Path]) -> None:
        """Uploads name -> local path, several in parallel if that is faster."""

    def download(
        self, name: str, path: str | pathlib.Path, *, sha256: str | None = None
    ) -> None:
        """Copies a file to a local path, completely or not at all.

        Raises:
            DigestError: The file does not have the given sha256; `path` is not
                written.
        """

    def move_in(self, source: "Folder", name: str, new_name: str) -> None:
        """Moves a file to this folder from one on the same disk or bucket."""

    def has_same_bytes(
        self,
        path: str | pathlib.Path,
        name: str,
        *,
        sha256: str | None = None,
    ) -> bool:
        """Returns whether the file `name` exists and equals a local file.

        Args:
            path: The local file.
            name: The file in this folder.
            sha256: The digest that both must have, if the local file may have
                changed since it was uploaded; None accepts any.
        """

    def delete(self, name: str) -> None:
        """Deletes a file if it exists; it leaves no bytes in Drive's trash."""

    def make(self) -> None:
        """Creates the folder and its parents if they do not exist."""
