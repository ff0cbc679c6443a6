"""Local copies of a folder's files, for readers that seek within a file."""

import pathlib
import shutil
import threading

from absl import logging

from storage import mounts
from storage.errors import UserError
from storage.folder import Folder
from storage.scratch import Scratch


class Spool:
    """Returns local paths for a folder's files.

    A file on a local disk is used directly. A file in a zip, on gs:// or on a
    mount is copied first, once. An existing copy, for example of a run that was
    killed, is used if it has the file's size.
    """

    def __init__(
        self,
        folder: Folder,
        path: str | pathlib.Path | None = None,
        *,
        always: bool = False,
    ) -> None:
        """Makes a spool.

        Args:
            folder: The folder of the files.
            path: Folder for the copies; None: a temporary folder that is
                removed with this object.
            always: Whether to copy also files that are on a local disk.
        """
        self._folder = folder
        self._path = pathlib.Path(path) if path else None
        self._scratch: Scratch | None = None
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()
        self.copies = (
            always or folder.path is None or mounts.is_mount(folder.path)
        )

    def local_path(self, name: str) -> pathlib.Path:
        """Returns a path on local disk of a file; copies it if necessary.

        Raises:
            storage.UserError: There is no space for the copy.
        """
        folder = self._folder.path
        if folder is not None and not self.copies:
            return folder / name
        with self._lock:  # Several threads may ask for their first file.
            if self._path is None:
                self._scratch = Scratch()
                self._path = self._scratch.path
            self._sizes = self._sizes or self._folder.list()
        path = self._path / name
        size = self._sizes[name]
        if path.exists() and path.stat().st_size == size:
            return path
        self._path.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._path).free
        if free < size:
            raise UserError(
                f"{self._path}: no space to copy {self._folder.url}/{name} to: "
                f"{size >> 20} MiB needed, {free >> 20} MiB free; free some "
                "space, or give a folder on another disk"
            )
        logging.info(
            "copying %s of %s (%d MiB) to %s",
            name,
            self._folder.url,
            size >> 20,
            self._path,
        )
        self._folder.download(name, path)
        return path
