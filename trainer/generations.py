"""The generations of a backup: an archive each, and a manifest written last.

  backup-0002-000001500-0.zip   leg 2, step 1500, first attempt
  backup-0002-000001500-0.json  its manifest: sha256, bytes, identity, ...

A name is never used twice, since a mount such as Drive may show an old file
under it. Without its manifest an archive is nothing; a manifest is believed
only if the archive's size and digest agree. A higher leg always goes before a
lower one, so that what a killed leg uploads late is never chosen.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import re
import time
from collections.abc import Iterator

import storage

FORMAT = 1
_NAME = re.compile(r"backup-(\d{4,})-(\d{9,})-(\d+)\.(zip|json)")


@dataclasses.dataclass(frozen=True, order=True)
class Generation:
    """One backup. Ordered by age: leg, step, attempt."""

    leg: int
    step: int
    attempt: int

    @property
    def archive(self) -> str:
        return f"{self.stem}.zip"

    @property
    def manifest(self) -> str:
        return f"{self.stem}.json"

    @property
    def stem(self) -> str:
        return f"backup-{self.leg:04d}-{self.step:09d}-{self.attempt}"


def parse(name: str) -> tuple[Generation, str] | None:
    """Returns the generation and "zip" or "json" of a file's name."""
    match = _NAME.fullmatch(name)
    if not match:
        return None
    return Generation(*map(int, match.groups()[:3])), match.group(4)


def listing(folder: storage.Folder) -> dict[Generation, dict[str, int]]:
    """Returns, by generation, the bytes of its "zip" and "json" files."""
    found = {}
    for name, size in folder.list().items():
        parsed = parse(name)
        if parsed:
            found.setdefault(parsed[0], {})[parsed[1]] = size
    return found


def newest_first(
    folder: storage.Folder,
) -> Iterator[tuple[Generation, dict | None, str]]:
    """Yields every generation, newest first, with its manifest.

    The manifest is None for one that cannot be used; the last value then
    says why. The archive's digest is not yet checked.
    """
    for generation, files in sorted(listing(folder).items(), reverse=True):
        if "json" not in files:
            yield generation, None, "it has no manifest"
            continue
        if "zip" not in files:
            yield generation, None, "its archive is missing"
            continue
        try:
            manifest = json.loads(folder.read_bytes(generation.manifest))
            expected = manifest["bytes"]
        except (ValueError, KeyError, TypeError, OSError) as error:
            yield generation, None, f"its manifest is damaged ({error!r})"
            continue
        if files["zip"] != expected:
            yield (
                generation,
                None,
                f"its archive has {files['zip']} bytes, expected {expected}",
            )
            continue
        yield generation, manifest, ""


def write(
    folder: storage.Folder,
    generation: Generation,
    path: pathlib.Path,
    *,
    identity: dict,
) -> dict:
    """Copies an archive in, reads it back, and writes its manifest last.

    Args:
        folder: Where to.
        generation: Its place; no file of that name may be there yet.
        path: The archive on local disk.
        identity: What run it belongs to.

    Returns:
        The manifest.

    Raises:
        OSError: The folder failed, or what it gives back is not what was
            written.
    """
    digest = sha256(path)
    folder.upload(path, generation.archive)
    back = path.with_suffix(".back")
    try:
        folder.download(generation.archive, back)
        if sha256(back) != digest:
            raise OSError(
                f"{folder.url}/{generation.archive} does not read back as "
                "it was written"
            )
    finally:
        back.unlink(missing_ok=True)
    manifest = {
        "format": FORMAT,
        "archive": generation.archive,
        "sha256": digest,
        "bytes": path.stat().st_size,
        "leg": generation.leg,
        "step": generation.step,
        "written": time.time(),
        "identity": identity,
    }
    data = json.dumps(manifest, indent=1, ensure_ascii=False).encode()
    folder.write_once(generation.manifest, data)
    return manifest


def fetch(
    folder: storage.Folder,
    generation: Generation,
    manifest: dict,
    path: pathlib.Path,
) -> None:
    """Copies an archive out.

    Raises:
        ValueError: Its digest is not the manifest's.
    """
    folder.download(generation.archive, path)
    if sha256(path) != manifest["sha256"]:
        raise ValueError("its archive's sha256 is not its manifest's")


def prune(folder: storage.Folder, *, leg: int, settle_seconds: float) -> None:
    """Deletes generations, keeping at most four.

    Kept are the newest two, the newest that has settled and the oldest that
    has not: a mount may still be uploading the latest when the machine dies,
    so none goes before a later one has had time to arrive. Archives of lower
    legs without a manifest go, too: their writers are dead.
    """
    whole = [g for g, manifest, _ in newest_first(folder) if manifest]
    now = time.time()
    settled = [g for g in whole if now - _written(folder, g) >= settle_seconds]
    unsettled = [g for g in whole if g not in settled]
    kept = {*whole[:2], *settled[:1], *unsettled[-1:]}
    for generation in listing(folder):
        if generation in kept:
            continue
        if generation not in whole and generation.leg >= leg:
            continue
        delete(folder, generation)


def delete(folder: storage.Folder, generation: Generation) -> None:
    """Deletes a generation, its manifest first."""
    folder.delete(generation.manifest)
    folder.delete(generation.archive)


def sha256(path: str | os.PathLike) -> str:
    """Returns the hex sha256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _written(folder, generation):
    return json.loads(folder.read_bytes(generation.manifest))["written"]
