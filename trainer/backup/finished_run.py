"""The results of a finished run in BACKUP/final; whether a run is finished.

The docstring of final_folder.py lists the files.
"""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from absl import logging

import storage
from storage import Folder, UserError, whole_file
from trainer.backup import final_folder
from trainer.backup.generations import Generations
from trainer.runtime import workdir_lock


def save(
    backup_dir: str,
    workdir: pathlib.Path,
    *,
    identity: dict,
    leg: int,
    check: Callable[[], None],
) -> None:
    """Copies the files of a finished run, and then marks it as finished.

    Args:
        backup_dir: The backup folder of the run.
        workdir: Its workdir.
        identity: The identity of the run.
        leg: Number of this start.
        check: Called before each change; see BackupFolder.check().

    Raises:
        OSError: The folder failed repeatedly.
        storage.LostError: Another trainer owns the folder.
    """
    export = final_folder.Export(
        final_folder.open_folder(backup_dir), leg, check
    )
    paths = [workdir / n for n in final_folder.FILES if (workdir / n).exists()]
    files = {}
    export.begin([path.name for path in paths], workdir / "staging")
    for path in paths:
        names = [path.name, f"leg{leg:04d}-{path.name}"]
        stored = export.store(path, names)
        digest = storage.file_digest(path)
        files[path.name] = {"stored": stored, "sha256": digest}
    manifest = {"identity": identity, "leg": leg, "files": files}
    export.end(manifest, workdir / "staging")


def restore_finished(
    backup_dir: str,
    workdir: pathlib.Path | None,
    *,
    identity: dict,
    defaults: Mapping[str, Any] | None = None,
) -> bool:
    """Returns whether this run is finished; if so, restores its workdir.

    Args:
        backup_dir: Its backup folder.
        workdir: Its workdir; None: restore nothing.
        identity: The identity of the run.
        defaults: Values for the flags that an older identity lacks.

    Raises:
        storage.UserError: Another process uses the workdir.
    """
    folder = final_folder.open_folder(backup_dir)
    manifest = _finished(backup_dir)
    if manifest is None:
        return False
    if (defaults or {}) | manifest["identity"] != identity:
        return False
    if workdir is None:
        logging.info("This run is finished")
        return True
    try:
        with workdir_lock.hold(workdir):
            restored = _restore(folder, manifest, workdir)
    except UserError:
        raise
    except (FileNotFoundError, ValueError) as error:
        logging.warning(
            "This run is finished, but %s is not complete (%s): it is made "
            "again from the last backup",
            folder.url,
            error,
        )
        return False
    logging.info(
        "This run is finished: %s holds its model and scores%s. To train it "
        "again from the beginning, give --restart",
        workdir,
        f" ({', '.join(restored)} restored from {folder.url})"
        if restored
        else "",
    )
    return True


def finished_leg(backup_dir: str) -> int | None:
    """Returns the leg that finished the run in a backup folder, if one did."""
    manifest = _finished(backup_dir)
    return manifest["leg"] if manifest else None


def _finished(backup_dir: str) -> dict | None:
    """Returns the newest manifest; None if the run was restarted since."""
    manifest = final_folder.newest_manifest(
        final_folder.open_folder(backup_dir)
    )
    generations = Generations(storage.open_folder(backup_dir))
    newest = max((g.leg for g in generations.listing()), default=0)
    return manifest if manifest and manifest["leg"] >= newest else None


def _restore(
    folder: Folder, manifest: dict, workdir: pathlib.Path
) -> list[str]:
    """Copies missing or changed files to the workdir; returns their names."""
    whole_file.remove_unfinished(workdir)
    restored = []
    for name, file in manifest["files"].items():
        path = workdir / name
        if path.exists() and storage.file_digest(path) == file["sha256"]:
            continue
        folder.download(file["stored"], path, sha256=file["sha256"])
        restored.append(name)
    return restored
