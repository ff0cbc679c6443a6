"""The interface of a folder; storage/urls.py opens one."""

import pathlib
from collections.abc import Mapping
from typing import Protocol


class Folder(Protocol):
    """Files in one folder. Names are direct children, without a slash.

    What a mount or a network fails at for a moment is tried again, within
    bounds; what it fails at for good is an OSError or a UserError.
    """

    url: str

    @property
    def path(self) -> pathlib.Path | None:
        """The local path; None where the folder is no local one."""

    def list(self) -> dict[str, int]:
        """Returns name -> bytes of its files; {} where there is no folder."""

    def read_bytes(self, name: str) -> bytes:
        """Returns a file's content; FileNotFoundError where it is missing."""

    def replace(self, name: str, data: bytes) -> None:
        """Writes a small file, complete; an older one of that name goes."""

    def create(self, name: str, data: bytes) -> None:
        """Writes a small file under a name that does not exist yet.

        Of several processes that try, one succeeds. A mount keeps that only
        among the processes of one machine.

        Raises:
            FileExistsError: It exists.
        """

    def upload(self, path: str | pathlib.Path, name: str) -> None:
        """Copies a local file in under a name that does not exist yet.

        The bytes go straight to that name, since a rename is not to be relied
        on everywhere: a digest in a manifest written later shows whether it
        is complete. It is not tried again here, since half a file may stay
        after a failure: the caller deletes it or chooses another name.
        """

    def upload_many(self, files: Mapping[str, str | pathlib.Path]) -> None:
        """Uploads name -> local path, several at a time where that helps."""

    def download(
        self, name: str, path: str | pathlib.Path, *, sha256: str | None = None
    ) -> None:
        """Copies a file out to a local path; it appears complete, or not.

        Raises:
            DigestError: Its sha256 is not the given one; nothing appears.
        """

    def move_in(self, source: "Folder", name: str, new_name: str) -> None:
        """Moves a file in from another folder of the same disk or bucket."""

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
            sha256: What the digest of both has to be, where the local file
                may have changed meanwhile; None accepts any.
        """

    def delete(self, name: str) -> None:
        """Removes a file and its bytes; a missing one is fine."""

    def make(self) -> None:
        """Creates the folder and its parents where they are missing."""
