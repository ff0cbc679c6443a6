"""Restores a run from its backup folder, to the same state on all workers."""

import time
import zipfile

import numpy as np
from absl import logging

from storage import UserError
from trainer.backup import archive, backup_folder, choice
from trainer.backup.backup_folder import BackupFolder
from trainer.backup.choice import Choice
from trainer.backup.generation import Backup
from trainer.runtime import run_document
from trainer.runtime.run_state import RunState
from trainer.runtime.workers import Workers

_UNUSABLE = (OSError, ValueError, KeyError, zipfile.BadZipFile)
_VISIBLE_SECONDS = 600.0  # A mount shows another machine's files by then.


class BackupReader:
    """Chooses a generation, and restores the run from it.

    Args:
        folder: The backup folder. It is only read.
        chief: Whether this process chooses the generation.
        workers: All workers of the run; None if this process is the only one.

    Attributes:
        restored: Name of the generation that was restored last; "" if none.
    """

    def __init__(
        self,
        folder: BackupFolder,
        *,
        chief: bool = True,
        workers: Workers | None = None,
    ) -> None:
        self.restored = ""
        self._folder = folder
        self._chief = chief
        self._workers = workers

    def choose(self, state: RunState, *, since_leg: int = 0) -> Choice:
        """Chooses and reads the newest generation that the run can use.

        Args:
            state: The run that the generation must fit; it is not changed.
            since_leg: Generations of earlier legs are ignored.

        Raises:
            storage.UserError: There are backups, but none can be used.
        """
        folder = self._folder
        folder.local_dir.mkdir(parents=True, exist_ok=True)
        backups = [
            b
            for b in folder.generations.newest_first()
            if b.generation.leg >= since_leg
        ]
        chosen = choice.choose(
            backups,
            identity=folder.identity,
            defaults=folder.defaults,
            read=lambda backup: self._read(backup, state),
        )
        for generation, why in chosen.passed_over.items():
            logging.warning("Skipped backup %s: %s", generation.stem, why)
        saved = None if since_leg else folder.lease.last_extra.get(choice.SAVED)
        choice.refuse_start_over(folder.url, backups, chosen, saved)
        folder.pass_over(chosen.passed_over)
        if chosen.backup:
            folder.note_newest(chosen.backup.generation)
        return chosen

    def restore(
        self,
        state: RunState,
        chosen: Choice | None = None,
        *,
        since_leg: int = 0,
    ) -> bool:
        """Restores the run from the newest generation that can be used.

        With several workers the chief chooses it, and all workers restore it.

        Args:
            state: The run.
            chosen: An earlier result of choose(). It is used if no generation
                was added or removed since.
            since_leg: Generations of earlier legs are ignored.

        Returns:
            Whether there was a generation to restore.

        Raises:
            storage.UserError: There are backups, but none can be used; or a
                worker cannot restore the generation that the chief chose.
        """
        if self._workers is None:
            return self._restore_alone(state, chosen, since_leg)
        return self._restore_together(self._workers, state, chosen, since_leg)

    def _restore_alone(
        self,
        state: RunState,
        chosen: Choice | None,
        since_leg: int,
    ) -> bool:
        """Restores the run in its only process; see restore()."""
        listing = self._folder.generations.listing()
        if chosen is None or chosen.looked_at != listing.keys():
            chosen = self.choose(state, since_leg=since_leg)
        if chosen.backup is None or chosen.content is None:
            return False
        state.restore(*chosen.content)
        self._note_restored(chosen.backup, state)
        return True

    def _restore_together(
        self,
        workers: Workers,
        state: RunState,
        chosen: Choice | None,
        since_leg: int,
    ) -> bool:
        """Restores the run on each of several workers; see restore()."""
        restored = self._chief and self._restore_alone(state, chosen, since_leg)
        stem = workers.from_chief(self.restored if restored else "")
        if stem and not self._chief:
            restored = self._restore_chosen(state, stem)
        mine = f"{self.restored if restored else ''}:{state.step}"
        chief_s = workers.from_chief(mine)
        if workers.any(mine != chief_s):
            raise UserError(
                f"the workers are not at the same step: the chief restored "
                f"{chief_s} (backup:step), this worker {mine}. Check that all "
                f"workers see the same files in {self._folder.url}, and start "
                "all of them again with the same command"
            )
        return restored

    def _restore_chosen(self, state: RunState, stem: str) -> bool:
        """Restores the run from the generation that the chief chose.

        Args:
            state: The run.
            stem: The generation's name. A mount may show the files only later.

        Returns:
            Whether it could be restored.
        """
        self._folder.local_dir.mkdir(parents=True, exist_ok=True)
        end = time.monotonic() + _VISIBLE_SECONDS
        while True:
            for backup in self._folder.generations.newest_first():
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

    def _note_restored(self, backup: Backup, state: RunState) -> None:
        self.restored = backup.generation.stem
        logging.info(
            "RESUMED at step %d (backup of leg %d; this is leg %d)",
            state.step,
            backup.generation.leg,
            self._folder.leg,
        )

    def _read(
        self, backup: Backup, state: RunState
    ) -> tuple[dict[str, np.ndarray], dict]:
        """Returns a generation's arrays and document, after checking them."""
        path = self._folder.local_dir / backup_folder.RESTORED
        try:
            self._folder.generations.fetch(backup, path)
            arrays, document = archive.read(path)
        finally:
            path.unlink(missing_ok=True)
        state.check(arrays)
        return arrays, run_document.parse(document, backup.usable["format"])
