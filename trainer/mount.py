"""Whether the folder that backups go to is really there.

Google Drive is a mount that can be missing at the start and go away in
mid-run. Writing on would fill a bare folder on the machine's own disk, which
looks like a backup and dies with the machine.
"""

import os
import pathlib

import storage

_MOUNTPOINTS = ("/content/drive", "/content/gdrive")


class MountGuard:
    """Remembers the device that a local folder lies on.

    Args:
        folder: The backup folder, not yet created.

    Raises:
        storage.UserError: It lies under a known mountpoint that is not
            mounted.
    """

    def __init__(self, folder: storage.Folder):
        self.path = folder.path
        self._device = None
        if self.path is None:
            return
        path = pathlib.Path(os.path.abspath(self.path))
        for mountpoint in map(pathlib.Path, _MOUNTPOINTS):
            inside = path == mountpoint or mountpoint in path.parents
            if inside and not os.path.ismount(mountpoint):
                raise storage.UserError(
                    f"--backup_dir={self.path} lies on {mountpoint}, which is "
                    "not mounted: run google.colab.drive.mount("
                    f"'{mountpoint}') first"
                )

    def remember(self) -> None:
        """Takes the device the folder lies on now as the right one."""
        if self.path is not None:
            self._device = os.stat(self.path).st_dev

    def check(self) -> None:
        """Raises OSError if the folder is gone or lies on another device."""
        if self.path is None:
            return
        if os.stat(self.path).st_dev != self._device:
            raise OSError(
                f"{self.path} is no longer on the file system it was on at "
                "the start: is it still mounted?"
            )

    def shares_disk_with(self, other: str | os.PathLike) -> bool:
        """Whether the folder dies with the disk that `other` lies on."""
        return self.path is not None and os.stat(other).st_dev == self._device
