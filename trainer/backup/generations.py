"""The generations of a backup: one archive each, and a manifest written last.

  backup-0002-000001500-007-3f9a21bc.zip   leg 2, step 1500, 8th try
  backup-0002-000001500-007-3f9a21bc.json  its manifest: sha256, bytes, run, …

No machine uses a name twice, since a mount such as Drive may show an old file
under that name: the last part of the name is the random token of the leg's
lease. An archive without a manifest is not used, and a manifest is used only if
the archive has its size and digest. A higher leg always comes before a lower
one, so that a file that a killed leg uploads late is never chosen.
"""

import json
import pathlib
import time

import storage
from storage import DigestError, Folder, UserError, file_names
from storage.ownership.owner import Owner
from trainer.backup import retention
from trainer.backup.generation import Backup, Generation
from trainer.runtime import run_document

# The words that error messages use for the owner of the folder.
OWNER = Owner("trainer", "training", "run", "--backup_dir")


class Generations:
    """The generations in one folder.

    A manifest is read once and kept in memory, because no file is ever
    overwritten. Besides, if a file that waits for its upload is read, a
    write-back mount (rclone) starts the waiting time again.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._manifests: dict[Generation, dict] = {}
        # Copies that Drive made of files, found by listing(). Never read.
        self._doubled: dict[str, Generation] = {}
        # When each was first seen: time.monotonic() and time.time().
        self._first_seen: dict[Generation, tuple[float, float]] = {}

    def listing(self) -> dict[Generation, dict[str, int]]:
        """Returns the sizes of each generation's "zip" and "json" in bytes."""
        sizes: dict[Generation, dict[str, int]] = {}
        doubled = {}
        for name, size in self.folder.list().items():
            if parsed := Generation.parse(name):
                generation, kind = parsed
                sizes.setdefault(generation, {})[kind] = size
            elif parsed := Generation.parse(file_names.original(name) or ""):
                doubled[name] = parsed[0]
        self._doubled = doubled  # The heartbeat's thread lists, too.
        for generation in sizes:
            self._first_seen.setdefault(generation, _now())
        return sizes

    def leg_by_name(self) -> dict[str, int]:
        """Returns, by generation name, the leg that wrote the generation."""
        return {g.stem: g.leg for g in self.listing()}

    def newest_first(self) -> list[Backup]:
        """Returns every generation; does not check digests of archives."""
        listing = self.listing()
        return [
            self._look(g, listing[g]) for g in sorted(listing, reverse=True)
        ]

    def write(
        self,
        generation: Generation,
        path: pathlib.Path,
        *,
        epochs: int,
        first_leg: int,
        identity: dict,
    ) -> None:
        """Copies an archive to the folder, verifies it, adds its manifest.

        Args:
            generation: Its name; no file of that name may exist.
            path: The archive on local disk; its manifest is made in the same
                folder.
            epochs: Number of epochs that were evaluated so far.
            first_leg: The leg in which the run began.
            identity: The identity of the run.

        Raises:
            OSError: The folder failed, or the archive does not read back as it
                was written.
        """
        digest = storage.file_digest(path)
        manifest = {
            "format": run_document.FORMAT,
            "archive": generation.archive,
            "sha256": digest,
            "bytes": path.stat().st_size,
            "leg": generation.leg,
            "step": generation.step,
            "epochs": epochs,
            "run": first_leg,
            "written": time.time(),
            "identity": identity,
        }
        self.folder.upload(path, generation.archive)
        # Compare with the digest: the local file may have changed since.
        if not self.folder.has_same_bytes(
            path, generation.archive, sha256=digest
        ):
            raise OSError(
                f"{self.folder.url}/{generation.archive} does not read back "
                "as it was written"
            )
        local = path.with_suffix(".json")
        text = json.dumps(manifest, indent=1, ensure_ascii=False)
        local.write_text(text + "\n", encoding="utf-8")
        # No temporary name: a partly written manifest is not valid JSON.
        self.folder.upload(local, generation.manifest)
        local.unlink()
        self._manifests[generation] = manifest
        self._first_seen[generation] = _now()  # Complete only now.

    def fetch(self, backup: Backup, path: pathlib.Path) -> None:
        """Copies an archive to `path`; tries twice if it seems damaged.

        Raises:
            ValueError: Its digest is not the manifest's.
        """
        name, sha256 = backup.generation.archive, backup.usable["sha256"]
        try:
            try:
                self.folder.download(name, path, sha256=sha256)
            except DigestError:
                self.folder.download(name, path, sha256=sha256)
        except DigestError:
            raise ValueError(
                "its archive's sha256 is not its manifest's"
            ) from None

    def prune(
        self,
        *,
        newest: Generation,
        first_leg: int,
        known: set[Generation],
        passed_over: set[Generation],
        settle_seconds: float,
    ) -> None:
        """Deletes generations; keeps at most four, see retention.py.

        It also deletes all copies that Drive made of older generations.

        Args:
            newest: The generation that this leg has just written. Newer ones
                are not deleted: those of a higher leg, those of the same leg
                with a greater token (that trainer owns the folder), and later
                attempts of this leg.
            first_leg: The leg in which this run began.
            known: Generations of lower legs that existed when this leg began.
                Other generations of lower legs arrived late and are deleted.
            passed_over: Generations that this leg could not use. They are not
                deleted: another machine or the next start may be able to.
            settle_seconds: Age at which a generation is assumed to be fully
                uploaded.
        """

        def is_older(generation: Generation) -> bool:
            return generation.claim < newest.claim or (
                generation.claim == newest.claim
                and generation.attempt <= newest.attempt
            )

        backups = [b for b in self.newest_first() if is_older(b.generation)]
        complete = [
            b
            for b in backups
            if b.manifest
            and (b.generation.claim == newest.claim or b.generation in known)
        ]
        kept = retention.choose_kept(
            complete,
            first_leg=first_leg,
            has_settled=lambda b: self._age(b, newest.leg) >= settle_seconds,
        )
        unknown = passed_over | {b.generation for b in backups if b.error}
        for backup in backups:
            if backup not in kept and backup.generation not in unknown:
                self.delete(backup.generation)
        for name, generation in self._doubled.items():
            if is_older(generation) and generation not in unknown:
                self.folder.delete(name)

    def delete(self, generation: Generation) -> None:
        """Deletes a generation, its manifest first."""
        self.folder.delete(generation.manifest)
        self.folder.delete(generation.archive)

    def _look(self, generation: Generation, files: dict[str, int]) -> Backup:
        if not files.get("json"):
            empty = "json" in files
            why = "its manifest is empty" if empty else "it has no manifest"
            return Backup(generation, None, why, unfinished=True)
        if "zip" not in files:
            return Backup(generation, None, "its archive is missing")
        try:
            manifest = self._manifest(generation)
        except UserError:
            raise
        except (OSError, ValueError) as error:
            why = f"its manifest: {error}"
            failed = error if isinstance(error, OSError) else None
            return Backup(generation, None, why, failed)
        size, expected = files["zip"], manifest.get("bytes", files["zip"])
        if size != expected:
            why = f"its archive has {size} bytes, expected {expected}"
            return Backup(generation, None, why)
        return Backup(generation, manifest)

    def _manifest(self, generation: Generation) -> dict:
        """Returns a manifest; reads it twice if it seems damaged."""
        if generation not in self._manifests:
            name = generation.manifest
            try:
                manifest = Backup.parse_manifest(self.folder.read_bytes(name))
            except ValueError:
                manifest = Backup.parse_manifest(self.folder.read_bytes(name))
            self._manifests[generation] = manifest
        return self._manifests[generation]

    def _age(self, backup: Backup, leg: int) -> float:
        """Returns a lower bound of the seconds since a backup was written.

        The system clock counts only for the time before this leg first saw the
        backup, so that a jump of the clock during this leg cannot make it
        older.
        """
        seen, clock = self._first_seen[backup.generation]
        age = time.monotonic() - seen
        if backup.generation.leg < leg:
            age += max(0.0, clock - backup.usable.get("written", clock))
        return age


def _now() -> tuple[float, float]:
    return time.monotonic(), time.time()
