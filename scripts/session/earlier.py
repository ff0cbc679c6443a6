"""Copies the output of an earlier version of a Kaggle notebook.

Each version of a notebook starts with an empty /kaggle/working. If the output
of an earlier version is attached, it is a folder in /kaggle/input.
"""

import pathlib
import shutil

from session import running

INPUTS = pathlib.Path("/kaggle/input")


def bring_back(
    keep: pathlib.Path, inputs: pathlib.Path = INPUTS
) -> pathlib.Path | None:
    """Copies the attached output with the most progress to an empty `keep`.

    Args:
        keep: The folder that must last. If it is not empty, it is not changed.
        inputs: The folder of files that are attached to the notebook.

    Returns:
        The folder that was copied; None if nothing was copied.
    """
    found = [path for path in inputs.glob(f"**/{keep.name}") if path.is_dir()]
    if not found or (keep.is_dir() and any(keep.iterdir())):
        return None
    earlier = max(found, key=progress)
    # Renamed when it is complete: a partial copy is no backup.
    copy = keep.with_name(f"{keep.name}.new")
    shutil.rmtree(copy, ignore_errors=True)
    with running.alive(f"copying {earlier}"):
        shutil.copytree(earlier, copy, copy_function=shutil.copyfile)
    copy.replace(keep)
    return earlier


def progress(keep: pathlib.Path) -> tuple[bool, str]:
    """Returns whether a run is finished, and the name of its newest backup.

    The name is "" without a backup. Sorted by name, the backups are in the
    order in
    which they were written.
    """
    names = [path.name for path in keep.glob("backup/backup-*.json")]
    finished = any(keep.glob("backup/final/*manifest-*.json"))
    return finished, max(names, default="")
