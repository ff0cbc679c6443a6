"""Brings back what an earlier version of a Kaggle notebook kept.

Each version of a notebook starts with an empty /kaggle/working. The output of
an earlier one is a folder in /kaggle/input, once it is attached.
"""

import pathlib
import shutil

from session import running

INPUTS = pathlib.Path("/kaggle/input")


def bring_back(
    keep: pathlib.Path, inputs: pathlib.Path = INPUTS
) -> pathlib.Path | None:
    """Copies the attached output that is furthest into an empty `keep`.

    Args:
        keep: Folder of what must last; it may hold something already, which
            is then left as it is.
        inputs: Where Kaggle shows what is attached.

    Returns:
        What was copied; None if nothing was.
    """
    found = [path for path in inputs.glob(f"**/{keep.name}") if path.is_dir()]
    if not found or (keep.is_dir() and any(keep.iterdir())):
        return None
    earlier = max(found, key=progress)
    # Renamed when it is complete: half a copy is no backup.
    copy = keep.with_name(f"{keep.name}.new")
    shutil.rmtree(copy, ignore_errors=True)
    with running.alive(f"copying {earlier}"):
        shutil.copytree(earlier, copy, copy_function=shutil.copyfile)
    copy.replace(keep)
    return earlier


def progress(keep: pathlib.Path) -> tuple[bool, str]:
    """Returns how far a run is: finished, then its newest backup's name.

    The names sort as the starts of the run and their steps do.
    """
    names = [path.name for path in keep.glob("backup/backup-*.json")]
    finished = any(keep.glob("backup/final/*manifest-*.json"))
    return finished, max(names, default="")
