"""Runs commands in a root folder of their own, where /content or /kaggle is.

The folders are there for the command alone, in namespaces of mounts and
processes: with its end everything that it started ends, and nothing is left.
Needs root.

    command = other_root.wrap(["python", "x.py"], {"/kaggle/input": folder})
"""

import os
import pathlib
import shutil
from collections.abc import Mapping, Sequence

_ENTER = r"""
set -e
new=$1 folder=$2
shift 2
mount -t tmpfs none "$new"
mount --make-unbindable "$new"
for path in /*; do
  if [[ -L $path ]]; then
    cp -P "$path" "$new$path"
  elif [[ -d $path && $path != /proc ]]; then
    mkdir "$new$path"
    mount --rbind "$path" "$new$path"
  fi
done
mkdir "$new/proc"
mount -t proc proc "$new/proc"
while [[ $1 != -- ]]; do
  mkdir -p "$new$2"
  mount --bind "$1" "$new$2"
  if [[ $2 == /kaggle/input* ]]; then
    mount -o remount,bind,ro "$new$2"
  fi
  shift 2
done
shift
exec chroot "$new" /usr/bin/env -C "$folder" "$@"
"""


def why_not() -> str | None:
    """Returns what this machine lacks; None if nothing."""
    if os.geteuid():
        return "no root's rights for a mount namespace"
    missing = [t for t in ("unshare", "chroot", "mount") if not shutil.which(t)]
    return f"no {' and no '.join(missing)}" if missing else None


def wrap(
    command: Sequence[object],
    folders: Mapping[str, pathlib.Path],
    *,
    empty: pathlib.Path,
    cwd: str = "/",
    network: bool = True,
) -> list[str]:
    """Returns a command that runs another one where these folders are.

    Args:
        command: What to run, and its arguments.
        folders: By path, which must not exist here, what is there. What is
            in /kaggle/input cannot be written to.
        empty: An empty folder to mount the new root on.
        cwd: Folder to run it in, by its new path.
        network: Whether it has a network.
    """
    flags = ["--mount", "--pid", "--fork", "--kill-child"]
    flags += [] if network else ["--net"]
    pairs = [str(x) for path, there in folders.items() for x in (there, path)]
    start = ["unshare", *flags, "bash", "-c", _ENTER, "_", str(empty), cwd]
    return [*start, *pairs, "--", *map(str, command)]
