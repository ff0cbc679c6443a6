"""Checks that the folder for backups is on its mount.

Google Drive is a mount that can be missing at the start and can disappear
during a run. Then writing would fill an ordinary folder on the machine's own
disk. That looks like a backup, but is lost with the machine.
"""

import json
import os
import pathlib

from absl import logging

from storage import hangs, mounts
from storage.errors import UserError
from storage.folder import Folder

_MOUNTPOINTS = ("/content/drive", "/content/gdrive")
_CHECKING = "checking its mount"


class MountGuard:
    """Checks the mount of a local folder.

    Args:
        folder: The backup folder, not yet created.
        note: File on a local disk that stores the mountpoint for the next start
            with the same workdir.

    Attributes:
        on_mount: Whether the folder is a mount, which uploads files after
            writes. Set by remember().

    Raises:
        storage.UserError: The folder is on a mount that is missing.
    """

    def __init__(self, folder: Folder, note: pathlib.Path) -> None:
        self.on_mount = False
        self.path: pathlib.Path | None = None
        if folder.path is None:
            return
        self.path = pathlib.Path(os.path.abspath(folder.path))
        self.note = note
        self._device: int | None = None
        self._mountpoint: pathlib.Path | None = None
        with hangs.reported(str(self.path), _CHECKING):
            for mountpoint in (*_MOUNTPOINTS, self._noted()):
                if mountpoint:
                    self._refuse_unmounted(self.path, pathlib.Path(mountpoint))

    def remember(self) -> None:
        """Stores the present mount of the folder as the right one."""
        if self.path is None:
            return
        with hangs.reported(str(self.path), _CHECKING):
            self._device = os.stat(self.path).st_dev
            self._mountpoint = _mountpoint(self.path)
            self.on_mount = mounts.is_mount(self.path)
        text = json.dumps([str(self.path), str(self._mountpoint)])
        self.note.write_text(text, encoding="utf-8")

    def check(self) -> None:
        """Raises OSError if the folder is gone or is on another device.

        If the same mountpoint was mounted again, that is no error.
        """
        if self.path is None:
            return
        with hangs.reported(str(self.path), _CHECKING):
            device = os.stat(self.path).st_dev
            if device == self._device:
                return
            if not self._is_mounted_again(device):
                raise OSError(
                    f"{self.path} is no longer on the file system it was on "
                    "at the start: is it still mounted?"
                )
        logging.warning("%s was mounted again", self._mountpoint)
        self._device = device

    def shares_disk_with(self, other: str | os.PathLike) -> bool:
        """Returns whether the folder is on the same disk as `other`."""
        return self.path is not None and os.stat(other).st_dev == self._device

    def _is_mounted_again(self, device: int) -> bool:
        mountpoint = self._mountpoint
        return (
            mountpoint is not None
            and mountpoint != pathlib.Path(mountpoint.anchor)
            and os.path.ismount(mountpoint)
            and os.stat(mountpoint).st_dev == device
        )

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
                f"--backup_dir={path} is on {mountpoint}, which is "
                f"not mounted: {hint}"
            )

    def _noted(self) -> str | None:
        """Returns the mountpoint that an earlier start stored, or None."""
        try:
            path, mountpoint = json.loads(self.note.read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return mountpoint if path == str(self.path) else None


def _mountpoint(path: pathlib.Path) -> pathlib.Path:
    while not os.path.ismount(path):
        path = path.parent
    return path
