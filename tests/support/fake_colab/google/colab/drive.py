"""Mounts a folder that uploads later: see scripts/drive_mount.py.

DRIVE_FOLDER names the folder whose store/MyDrive is the Drive.
"""

import os
import pathlib

import drive_mount


def mount(mountpoint: str, force_remount: bool = False) -> None:
    del force_remount
    drive = drive_mount.DriveMount(
        os.environ["DRIVE_FOLDER"], write_back=0.1, dir_cache=0.1
    )
    drive.path = pathlib.Path(mountpoint)
    drive.path.mkdir(parents=True, exist_ok=True)
    drive.mount()
    print(f"Mounted at {mountpoint}")
