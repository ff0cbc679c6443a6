"""Whether the folder that backups go to is really there.

Google Drive is a mount that can be missing at the start and go away in
mid-run. Writing on would fill a bare folder on the machine's own disk, which
looks like a backup and dies with the machine.
"""

import json
import os
import pathlib

from absl import logging

from storage.errors import UserError
from storage.folder import Folder

_MOUNTPOINTS = ("/content/drive", "/content/gdrive")


class MountGuard:
    """Knows the mount that a local folder lies on.

    Args:
        folder: The backup folder, not yet created.
        note: File on this machine's own disk that remembers the mount, for
            the next start with the same workdir.

    Raises:
        storage.UserError: The folder lies on a mount that is not there.
    """

    def __init__(self, folder: Folder, note: pathlib.Path) -> None:
        self.path: pathlib.Path | None = None
        if folder.path is None:
            return
        self.path = pathlib.Path(os.path.abspath(folder.path))
        self.note = note
        self._device: int | None = None
        self._mountpoint: pathlib.Path | None = None
        for mountpoint in (*_MOUNTPOINTS, self._noted()):
            if mountpoint:
                self._refuse_unmounted(self.path, pathlib.Path(mountpoint))

    def remember(self) -> None:
        """Takes the mount the folder lies on now as the right one."""
        if self.path is None:
            return
        self._device = os.stat(self.path).st_dev
        self._mountpoint = _mountpoint(self.path)
        text = json.dumps([str(self.path), str(self._mountpoint)])
        self.note.write_text(text, encoding="utf-8")

    def check(self) -> None:
        """Raises OSError if the folder is gone or lies on another device.

        The same mountpoint mounted anew is taken for what it was.
        """
        if self.path is None:
            return
        device = os.stat(self.path).st_dev
        if device == self._device:
            return
        mountpoint = self._mountpoint
        if (
            mountpoint is not None
            and mountpoint != pathlib.Path(mountpoint.anchor)
            and os.path.ismount(mountpoint)
            and os.stat(mountpoint).st_dev == device
        ):
            logging.warning("%s was mounted anew", mountpoint)
            self._device = device
            return
        raise OSError(
            f"{self.path} is no longer on the file system it was on at the "
            "start: is it still mounted?"
        )

    def shares_disk_with(self, other: str | os.PathLike) -> bool:
        """Whether the folder dies with the disk that `other` lies on."""
        return self.path is not None and os.stat(other).st_dev == self._device

    def _refuse_unmounted(
        self, path: pathlib.Path, mountpoint: pathlib.Path
    ) -> None:
        inside = mountpoint in (path, *path.parents)
        if inside and not os.path.ismount(mountpoint):
            hint = (
                f"run google.colab.drive.mount('{mountpoint}') first"
                if str(mountpoint) in _MOUNTPOINTS
                else "mount it first"
            )
            raise UserError(
                f"--backup_dir={path} lies on {mountpoint}, which is "
                f"not mounted: {hint}"
            )

    def _noted(self) -> str | None:
        """Returns the mountpoint that an earlier start found, or None."""
        try:
            path, mountpoint = json.loads(self.note.read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return mountpoint if path == str(self.path) else None


def _mountpoint(path: pathlib.Path) -> pathlib.Path:
    while not os.path.ismount(path):
        path = path.parent
    return path
