"""Packs the project as a zip, for machines that cannot clone it."""

import pathlib
import subprocess
import zipfile

from storage import UserError
from storage.whole_file import whole_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
_TIME = (1980, 1, 1, 0, 0, 0)  # The earliest time in a zip.


def pack(root: pathlib.Path, output: pathlib.Path) -> int:
    """Writes the tracked files of a git repository; returns their number.

    Raises:
        UserError: `root` is not a git repository.
    """
    names = list_tracked(root)
    with (
        whole_file(output) as sink,
        zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in names:
            archive.writestr(describe(root, name), (root / name).read_bytes())
    return len(names)


def list_tracked(root: pathlib.Path) -> list[str]:
    """Returns the paths that git tracks and the working tree has, sorted.

    Raises:
        UserError: `root` is not a git repository.
    """
    return [name for name in _list(root) if (root / name).is_file()]


def list_left_out(root: pathlib.Path, output: pathlib.Path) -> list[str]:
    """Returns the paths that git neither tracks nor ignores, sorted.

    Without `output`: the zip itself may be in the repository.

    Raises:
        UserError: `root` is not a git repository.
    """
    names = _list(root, "--others", "--exclude-standard")
    written = output.resolve()
    return [name for name in names if (root / name).resolve() != written]


def _list(root: pathlib.Path, *options: str) -> list[str]:
    """Returns the output of `git ls-files`, sorted."""
    done = subprocess.run(
        ["git", "ls-files", "-z", *options],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UserError(
            f"{root} is not a git repository: expected a clone of the project "
            f"({done.stderr.strip().splitlines()[-1]})"
        )
    return sorted(filter(None, done.stdout.split("\0")))


def describe(root: pathlib.Path, name: str) -> zipfile.ZipInfo:
    """Returns a file's zip entry, independent of its time, owner and umask."""
    entry = zipfile.ZipInfo(name, _TIME)
    executable = (root / name).stat().st_mode & 0o100
    entry.external_attr = (0o100755 if executable else 0o100644) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry
