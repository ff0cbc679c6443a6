"""The backup folder of a run: its owner, and the backups in it.

read it only -> acquire -> restore -> store, repeatedly -> release
"""

import itertools
import pathlib
import time
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from absl import logging

import storage
from storage import LostError, UserError, retry, whole_file
from storage.mount_guard import MountGuard
from storage.ownership.heartbeat import Heartbeat
from storage.ownership.lease import Lease
from trainer.backup import archive, choice
from trainer.backup.choice import Choice
from trainer.backup.generation import Backup, Generation
from trainer.backup.generations import OWNER, Generations
from trainer.runtime import run_document
from trainer.runtime.run_state import RunState

_UNUSABLE = (OSError, ValueError, KeyError, zipfile.BadZipFile)
_VISIBLE_SECONDS = 600.0  # A mount shows another machine's files by then.
_RESTORED = "restore.zip"  # Name of the local copy of an archive.
_ATTEMPTS = 7  # Of a save; the waits between them last 63 s.


class BackupFolder:
    """The backup folder of a run. Nothing is written to it before acquire().

    Args:
        url: A folder that survives the loss of this machine, or
            gs://bucket/prefix.
        identity: Flags and data that define the run, as JSON values.
        local_dir: Folder on a local disk for the archives.
        settle_seconds: Age at which a generation is assumed to be fully
            uploaded.
        defaults: Values for the flags that the identity of an older backup
            lacks.

    Attributes:
        leg: Number of this start of the run, after acquire().
        archive_bytes: Size of the last archive.
        restored: Name of the generation that was restored last; "" if none.

    Raises:
        storage.UserError: The folder is on a mount that is missing.
    """

    def __init__(
        self,
        url: str,
        *,
        identity: dict,
        local_dir: pathlib.Path,
        settle_seconds: float,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        self.url = url
        self.folder = storage.open_folder(url)
        self.identity = identity
        self.defaults = defaults or {}
        self.local_dir = pathlib.Path(local_dir)
        self.settle_seconds = settle_seconds
        self.guard = MountGuard(self.folder, self.local_dir / "mount.json")
        self.generations = Generations(self.folder)
        self.lease = Lease(
            self.folder, OWNER, signs_of_life=self.generations.leg_by_name
        )
        self.heartbeat = Heartbeat(self.lease, self.guard)
        self.archive_bytes = 0
        self.restored = ""
        self._saves = itertools.count()
        self._attempts = itertools.count()
        self._known: set[Generation] = set()
        self._passed_over: set[Generation] = set()

    @property
    def leg(self) -> int:
        return self.lease.leg

    @property
    def on_mount(self) -> bool:
        """Whether the folder is a mount; False before acquire()."""
        return self.guard.on_mount

    def refuse_other_run(self) -> None:
        """Raises an error if the newest generation is of another run.

        Raises:
            storage.UserError: It names the flags that differ, or the unknown
                format.
        """
        choice.refuse_other_run(
            self.url,
            self.generations.newest_first(),
            identity=self.identity,
            defaults=self.defaults,
        )

    def acquire(self) -> None:
        """Acquires the folder; this process owns it until release().

        Raises:
            storage.UserError: Another trainer owns it.
        """
        self.folder.make()
        self.lease.acquire()
        self._known = set(self.generations.listing())
        self.local_dir.mkdir(parents=True, exist_ok=True)
        # Remove the files of a process that was killed.
        whole_file.remove_unfinished(self.local_dir)
        for pattern in ("save*", _RESTORED):
            for path in self.local_dir.glob(pattern):
                path.unlink()
        self.guard.remember()
        if self.guard.shares_disk_with(self.local_dir):
            logging.warning(
                "The backups in %s are on this machine's own disk and are "
                "lost with it: give a --backup_dir on Drive or gs:// to "
                "survive a reset",
                self.url,
            )
        self.heartbeat.start()

    def refuse_if_lost(self) -> None:
        """Raises an error if the folder is known to be lost; reads nothing.

        Raises:
            storage.LostError: Another trainer owns the folder.
        """
        self.heartbeat.refuse_if_lost()

    def check(self) -> None:
        """Checks that this process may change the folder.

        Raises:
            storage.LostError: Another trainer owns the folder.
            OSError: Its mount is gone, or does not answer.
        """
        self.heartbeat.check()

    def release(self) -> None:
        """Releases the folder, if it was acquired."""
        self.heartbeat.stop()

    def choose(self, state: RunState, *, since_leg: int = 0) -> Choice:
        """Chooses and reads the newest generation that the run can use.

        Args:
            state: The run that the generation must fit; it is not changed.
            since_leg: Generations of earlier legs are ignored.

        Raises:
            storage.UserError: There are backups, but none can be used.
        """
        self.local_dir.mkdir(parents=True, exist_ok=True)
        backups = [
            b
            for b in self.generations.newest_first()
            if b.generation.leg >= since_leg
        ]
        chosen = choice.choose(
            backups,
            identity=self.identity,
            defaults=self.defaults,
            read=lambda backup: self._read(backup, state),
        )
        for generation, why in chosen.passed_over.items():
            logging.warning("Skipped backup %s: %s", generation.stem, why)
        saved = None if since_leg else self.lease.last_extra.get(choice.SAVED)
        choice.refuse_start_over(self.url, backups, chosen, saved)
        self._passed_over |= chosen.passed_over.keys()
        if chosen.backup:
            self.lease.extra[choice.SAVED] = chosen.backup.generation.stem
        return chosen

    def restore(
        self,
        state: RunState,
        chosen: Choice | None = None,
        *,
        since_leg: int = 0,
    ) -> bool:
        """Restores the run from the newest generation that can be used.

        Args:
            state: The run.
            chosen: An earlier result of choose(). It is used if no generation
                was added or removed since.
            since_leg: Generations of earlier legs are ignored.

        Returns:
            Whether there was a generation to restore.

        Raises:
            storage.UserError: There are backups, but none can be used.
        """
        listing = self.generations.listing()
        if chosen is None or chosen.looked_at != listing.keys():
            chosen = self.choose(state, since_leg=since_leg)
        if chosen.backup is None or chosen.content is None:
            return False
        state.restore(*chosen.content)
        self._note_restored(chosen.backup, state)
        return True

    def restore_chosen(self, state: RunState, stem: str) -> bool:
        """Restores the run from the generation that the chief chose.

        Args:
            state: The run.
            stem: The generation's name. A mount may show the files only later.

        Returns:
            Whether it could be restored.
        """
        self.local_dir.mkdir(parents=True, exist_ok=True)
        end = time.monotonic() + _VISIBLE_SECONDS
        while True:
            for backup in self.generations.newest_first():
                if backup.generation.stem != stem or not backup.manifest:
                    continue
                try:
                    state.restore(*self._read(backup, state))
                except UserError:
                    raise
                except _UNUSABLE as error:
                    logging.warning("%s cannot be read: %s", stem, error)
                else:
                    self._note_restored(backup, state)
                    return True
            if time.monotonic() >= end:
                return False
            time.sleep(1.0)

    def store(self, arrays: Mapping[str, np.ndarray], document: dict) -> None:
        """Writes a new generation, then deletes those no longer needed.

        Args:
            arrays: By name; not kept after they are on the local disk.
            document: JSON values; its "step" and "legs" are part of the
                generation's name and manifest.

        Raises:
            OSError: It could not be stored.
            storage.LostError: Another trainer owns the folder.
        """
        # A new name: an earlier save may hang and still use its own file.
        path = self.local_dir / f"save-{next(self._saves)}.zip"
        try:
            archive.write(path, arrays, document)
            self.archive_bytes = path.stat().st_size
            newest = self._write(path, document)
        finally:
            path.unlink(missing_ok=True)
        try:
            self.check()
            self.generations.prune(
                newest=newest,
                first_leg=document["legs"][0]["leg"],
                known=self._known,
                passed_over=self._passed_over,
                settle_seconds=self.settle_seconds,
            )
        except LostError:
            raise
        except (OSError, UserError) as error:  # For example no permission.
            logging.warning("Old backups are not deleted for now: %s", error)

    def _note_restored(self, backup: Backup, state: RunState) -> None:
        self.restored = backup.generation.stem
        logging.info(
            "RESUMED at step %d (backup of leg %d; this is leg %d)",
            state.step,
            backup.generation.leg,
            self.leg,
        )

    def _read(
        self, backup: Backup, state: RunState
    ) -> tuple[dict[str, np.ndarray], dict]:
        """Returns a generation's arrays and document, after checking them."""
        path = self.local_dir / _RESTORED
        try:
            self.generations.fetch(backup, path)
            arrays, document = archive.read(path)
        finally:
            path.unlink(missing_ok=True)
        state.check(arrays)
        return arrays, run_document.parse(document, backup.usable["format"])

    def _write(self, path: pathlib.Path, document: dict) -> Generation:
        """Writes a generation; each attempt uses a new name."""
        step = document["step"]

        def write() -> Generation:
            generation = Generation(
                self.leg, step, next(self._attempts), self.lease.token
            )
            self.check()
            try:
                self.generations.write(
                    generation,
                    path,
                    epochs=len(document["history"]),
                    first_leg=document["legs"][0]["leg"],
                    identity=self.identity,
                )
                self.lease.extra[choice.SAVED] = generation.stem
            except OSError:
                self._discard(generation)
                raise
            return generation

        return retry.retry(
            write,
            f"Backup at step {step}",
            handles=retry.is_os_error,
            attempts=_ATTEMPTS,
        )

    def _discard(self, generation: Generation) -> None:
        try:
            self.guard.check()
            self.generations.delete(generation)
        except (OSError, UserError) as error:
            logging.warning("%s is not deleted: %s", generation.archive, error)
