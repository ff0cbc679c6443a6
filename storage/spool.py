"""Local copies of a folder's files, for readers that seek about in a file."""

import pathlib
import shutil
import threading

from absl import logging

from storage import mounts
from storage.errors import UserError
from storage.folder import Folder
from storage.scratch import Scratch


class Spool:
    """Gives local paths for a folder's files.

    A file on this machine's own disk is used where it lies. One in a zip, on
    gs:// or on a mount is copied first, once: a copy that is there already,
    from a run that was killed say, is taken if it has the file's size.
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
            folder: Where the files lie.
            path: Where copies go; None for a temporary folder that is removed
                with this object.
            always: Whether to copy files of a local disk, too.
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
        """Returns a path on local disk of a file, copied if need be."""
        folder = self._folder.path
        if folder is not None and not self.copies:
            return folder / name
        with self._lock:  # Several threads may want their first file.
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
                f"{size >> 20} MiB needed, {free >> 20} MiB free; make space, "
                "or name another disk's folder"
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
