"""BACKUP/final/: what a finished run leaves, where a reset cannot reach it.

  model.keras, summary.json, …   the files
  manifest-0003.json             written last, by leg 3: their sha256

A name is not used twice (see generations.py): if an earlier export has such a
file, cut off by a reset or of a run before --restart, the new one is called
`leg0003-model.keras`. The manifest lists which file is which.
"""

import itertools
import json
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from absl import logging

import storage
from storage import Folder, UserError, retry
from trainer.backup.generations import Generations

FILES = (
    "model.keras",
    "summary.json",
    "metrics.csv",
    "flags.txt",
    "report.html",
)
_MANIFEST = re.compile(r"(?:\d-)?manifest-(\d{4,})\.json")


def save(
    backup_dir: str, workdir: pathlib.Path, *, identity: dict, leg: int
) -> None:
    """Copies the files of a finished run, and marks it finished last.

    Raises:
        OSError: The folder failed, again and again.
    """
    folder = open_folder(backup_dir)
    retry.retry(folder.make, f"{folder.url}: making the folder")
    before = set(folder.list())
    used, files = set(before), {}
    for name in FILES:
        path = workdir / name
        if path.exists():
            names = [name, f"leg{leg:04d}-{name}"]
            stored = _store(folder, path, names, used)
            digest = storage.file_digest(path)
            files[name] = {"stored": stored, "sha256": digest}
    manifest = {"identity": identity, "leg": leg, "files": files}
    path = workdir / "staging" / "final.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
    _store(folder, path, [f"manifest-{leg:04d}.json"], used)
    # The manifests of older exports first: half of their files are no use.
    stale = before - {f["stored"] for f in files.values()}
    for name in sorted(stale, key=lambda n: not _MANIFEST.fullmatch(n)):
        _delete(folder, name)


def restore_finished(
    backup_dir: str,
    workdir: pathlib.Path | None,
    *,
    identity: dict,
    defaults: Mapping[str, Any] | None = None,
) -> bool:
    """Returns whether this very run is finished; then fills up its workdir.

    Args:
        backup_dir: Its backup folder.
        workdir: Its workdir; None restores nothing.
        identity: What makes it this run.
        defaults: What an older identity is completed by.
    """
    folder = open_folder(backup_dir)
    manifest = _newest_manifest(folder)
    if manifest is None:
        return False
    if (defaults or {}) | manifest["identity"] != identity:
        return False
    generations = Generations(storage.open_folder(backup_dir))
    newest = max((g.leg for g in generations.listing()), default=0)
    if newest > manifest["leg"]:  # It was started over since.
        return False
    if workdir is None:
        logging.info("This run is finished")
        return True
    try:
        restored = _restore(folder, manifest, workdir)
    except (FileNotFoundError, ValueError) as error:
        logging.warning(
            "This run is finished, but %s is not whole (%s): it is made again "
            "from the last backup",
            folder.url,
            error,
        )
        return False
    logging.info(
        "This run is finished: %s holds its model and scores%s. To train it "
        "anew, give --restart",
        workdir,
        f" ({', '.join(restored)} restored from {folder.url})"
        if restored
        else "",
    )
    return True


def open_folder(backup_dir: str) -> Folder:
    """Returns the folder of a finished run's files."""
    return storage.open_folder(f"{backup_dir.rstrip('/')}/final")


def _store(
    folder: Folder, path: pathlib.Path, names: Sequence[str], used: set[str]
) -> str:
    """Copies a file in under a name never used; returns that name.

    One that exists already, with the same bytes, is not changed.

    Args:
        folder: Where to.
        path: The file.
        names: Names to choose from; the last one's variants come after it.
        used: Names in use; the new one is added.
    """
    variants = (f"{k}-{names[-1]}" for k in itertools.count(1))
    untried = itertools.chain(names, variants)

    def store() -> str:
        for name in untried:
            if name not in used:
                used.add(name)
                folder.upload(path, name)
                if not folder.has_same_bytes(path, name):
                    raise OSError(f"{name} does not read back as written")
                return name
            if folder.has_same_bytes(path, name):
                return name
        raise AssertionError("unreachable")

    return retry.retry(
        store, f"{folder.url}: storing {path.name}", handles=retry.is_os_error
    )


def _delete(folder: Folder, name: str) -> None:
    retry.retry(
        lambda: folder.delete(name),
        f"{folder.url}: deleting {name}",
        handles=retry.is_os_error,
    )


def _newest_manifest(folder: Folder) -> dict | None:
    names = [n for n in folder.list() if _MANIFEST.fullmatch(n)]
    for name in sorted(
        names, key=lambda n: int(_MANIFEST.fullmatch(n)[1]), reverse=True
    ):
        try:
            manifest = json.loads(folder.read_bytes(name))
            manifest["identity"], manifest["leg"], manifest["files"]
        except UserError:
            raise
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            continue  # Half written.
        return manifest
    return None


def _restore(
    folder: Folder, manifest: dict, workdir: pathlib.Path
) -> list[str]:
    """Copies back what the workdir lacks; returns the names."""
    workdir.mkdir(parents=True, exist_ok=True)
    restored = []
    for name, file in manifest["files"].items():
        path = workdir / name
        if path.exists() and storage.file_digest(path) == file["sha256"]:
            continue
        folder.download(file["stored"], path, sha256=file["sha256"])
        restored.append(name)
    return restored
