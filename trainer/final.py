"""BACKUP/final/: what a finished run leaves, where a reset cannot reach it."""

import json
import pathlib

from absl import logging

import storage
from trainer import generations

FILES = ("model.keras", "summary.json", "metrics.csv", "flags.txt")
_MANIFEST = "manifest.json"


def open_folder(backup_dir: str) -> storage.Folder:
    """Returns the folder of a finished run's files."""
    return storage.open_folder(f"{backup_dir.rstrip('/')}/final")


def save(
    backup_dir: str, workdir: pathlib.Path, *, identity: dict, leg: int
) -> None:
    """Copies the files of a finished run, and marks it finished last."""
    folder = open_folder(backup_dir)
    folder.make()
    folder.delete(_MANIFEST)
    digests = {}
    for name in FILES:
        folder.delete(name)
        folder.upload(workdir / name, name)
        digests[name] = generations.sha256(workdir / name)
    manifest = {"identity": identity, "leg": leg, "sha256": digests}
    folder.replace(_MANIFEST, json.dumps(manifest, indent=1).encode())


def restore_finished(
    backup_dir: str, workdir: pathlib.Path, *, identity: dict
) -> bool:
    """Says whether this very run is finished; if so, fills up its workdir.

    Raises:
        storage.UserError: A file does not have its digest.
    """
    folder = open_folder(backup_dir)
    try:
        manifest = json.loads(folder.read_bytes(_MANIFEST))
    except (FileNotFoundError, ValueError):
        return False
    newest = max(
        (g.leg for g in generations.listing(storage.open_folder(backup_dir))),
        default=0,
    )
    # A run that was started over since has a leg of its own.
    if manifest["identity"] != identity or newest > manifest["leg"]:
        return False
    restored = _restore(folder, manifest, workdir)
    logging.info(
        "This run is finished: %s holds its model and scores%s. To train it "
        "anew, give --restart",
        workdir,
        f" ({', '.join(restored)} restored from {folder.url})"
        if restored
        else "",
    )
    return True


def _restore(folder, manifest, workdir):
    """Copies back what the workdir lacks; returns the names."""
    workdir.mkdir(parents=True, exist_ok=True)
    restored = []
    for name, digest in manifest["sha256"].items():
        path = workdir / name
        if path.exists() and generations.sha256(path) == digest:
            continue
        folder.download(name, path)
        if generations.sha256(path) != digest:
            path.unlink()
            raise storage.UserError(
                f"{folder.url}/{name} is damaged: its sha256 is not its "
                "manifest's; give --restart to train anew"
            )
        restored.append(name)
    return restored
