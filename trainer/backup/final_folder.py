"""BACKUP/final/: the results of a finished run, safe from the next reset.

  unfinished-0003.json           written first, by leg 3: the names to come
  model.keras, summary.json, …   the files
  manifest-0003.json             written when they are complete: their sha256

A name is not used twice (see generations.py). If the folder already has a file
of that name, from an earlier export or from the user, the new file is called
`leg0003-model.keras`. The manifest lists the stored name of each file. When the
manifest is written, the files of earlier exports are deleted, by the names in
their manifests and lists.
"""

import functools
import itertools
import json
import pathlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from absl import logging

import storage
from storage import Folder, LostError, UserError, file_names, retry

FILES = (
    "model.keras",
    "README.md",
    "summary.json",
    "metrics.csv",
    "flags.txt",
    "report.html",
)
_T = TypeVar("_T")
_MANIFEST = re.compile(r"(?:\d+-)?manifest-(\d{4,})\.json")
_UNFINISHED = re.compile(r"(?:\d+-)?unfinished-(\d{4,})\.json")
_RENAMED = re.compile(
    rf"(?:\d+-)?leg(\d{{4,}})-(?:{'|'.join(map(re.escape, FILES))})"
)


def open_folder(backup_dir: str) -> Folder:
    """Returns the folder for the files of a finished run."""
    return storage.open_folder(f"{backup_dir.rstrip('/')}/final")


class Export:
    """One export into a folder that may hold other exports and user files.

    Args:
        folder: The folder to write to.
        leg: The leg that exports. Files of higher legs are never deleted.
        check: See finished_run.save().
    """

    def __init__(
        self, folder: Folder, leg: int, check: Callable[[], None]
    ) -> None:
        self.folder = folder
        self.leg = leg
        self._check = check
        self._used: set[str] = set()

    def begin(self, names: Iterable[str], staging: pathlib.Path) -> None:
        """Writes the list of the file names that this export will use."""
        self._try(self.folder.make, "making the folder")
        self._used = set(self.folder.list())
        new = [name for name in names if name not in self._used]
        self._store_json(f"unfinished-{self.leg:04d}.json", new, staging)

    def store(self, path: pathlib.Path, names: Sequence[str]) -> str:
        """Copies a file to the folder under a new name; returns that name.

        If the folder already has a file of that name with the same bytes, that
        file is used.

        Args:
            path: The file.
            names: Names to try, in order; then 1-NAME, 2-NAME, … of the last.
        """
        variants = (f"{k}-{names[-1]}" for k in itertools.count(1))
        untried = itertools.chain(names, variants)

        def store() -> str:
            for name in untried:
                if name not in self._used:
                    self._used.add(name)
                    self.folder.upload(path, name)
                    if not self.folder.has_same_bytes(path, name):
                        raise OSError(f"{name} does not read back as written")
                    return name
                if self.folder.has_same_bytes(path, name):
                    return name
            raise AssertionError("unreachable")

        return self._try(store, f"storing {path.name}")

    def end(self, manifest: dict, staging: pathlib.Path) -> None:
        """Writes the manifest, then deletes the files of earlier exports."""
        name = f"manifest-{self.leg:04d}.json"
        kept = {file["stored"] for file in manifest["files"].values()}
        kept.add(self._store_json(name, manifest, staging))
        try:
            for name in _stale(self.folder, self.leg, kept):
                self._try(
                    functools.partial(self.folder.delete, name),
                    f"deleting {name}",
                )
        except LostError:
            raise
        except (OSError, UserError) as error:
            logging.warning(
                "Files of earlier exports are not deleted from %s: %s",
                self.folder.url,
                error,
            )

    def _store_json(
        self, name: str, value: object, staging: pathlib.Path
    ) -> str:
        staging.mkdir(exist_ok=True)
        path = staging / name
        path.write_text(json.dumps(value, indent=1) + "\n", "utf-8")
        try:
            return self.store(path, [name])
        finally:
            path.unlink()

    def _try(self, act: Callable[[], _T], what: str) -> _T:
        def checked() -> _T:
            self._check()
            return act()

        return retry.retry(
            checked, f"{self.folder.url}: {what}", handles=retry.is_os_error
        )


def _stale(folder: Folder, leg: int, kept: set[str]) -> list[str]:
    """Returns the files of exports up to a leg, in the order to delete them.

    Args:
        folder: The folder of the exports.
        leg: The leg.
        kept: Files of the leg's own export. They are not deleted, nor are the
            files of exports of higher legs.
    """
    names = folder.list()
    manifests, lists, files, kept = [], [], set(), set(kept)
    for name in names:
        if match := _MANIFEST.fullmatch(name):
            stored = _stored_names(_read_manifest(folder, name))
            if int(match[1]) > leg:
                kept |= stored | {name}
            else:
                manifests.append(name)
                files |= stored
        elif (match := _UNFINISHED.fullmatch(name)) and int(match[1]) <= leg:
            lists.append(name)
            files |= _read_names(folder, name)
        elif (match := _RENAMED.fullmatch(name)) and int(match[1]) <= leg:
            files.add(name)
    # The manifests first: with a part of its files a manifest is useless.
    ordered = [*manifests, *sorted(files & names.keys()), *lists]
    return [name for name in ordered if name not in kept]


def _read_names(folder: Folder, name: str) -> set[str]:
    """Returns the names in the list of an unfinished export."""
    try:
        names = json.loads(folder.read_bytes(name))
    except ValueError:  # Partly written; then no file was written after it.
        return set()
    return {n for n in names if n in FILES}


def _stored_names(manifest: dict | None) -> set[str]:
    files = manifest["files"].values() if manifest else ()
    return {file["stored"] for file in files}


def newest_manifest(folder: Folder) -> dict | None:
    matches = [m for n in folder.list() if (m := _MANIFEST.fullmatch(n))]
    for match in sorted(matches, key=lambda m: int(m[1]), reverse=True):
        if manifest := _read_manifest(folder, match[0]):
            return manifest
    return None


def _read_manifest(folder: Folder, name: str) -> dict | None:
    """Returns a manifest; None if it is only partly written.

    Raises:
        UserError: A name in it is a path outside the folder.
    """
    try:
        manifest = json.loads(folder.read_bytes(name))
        manifest["identity"], manifest["leg"]
        for file_name, file in manifest["files"].items():
            file["sha256"]
            for each in (file_name, file["stored"]):
                file_names.check(each, f"{folder.url}/{name}")
    except UserError:
        raise
    except (
        FileNotFoundError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ):
        return None
    return manifest
