"""Stores a run in its backup folder, one generation after another."""

import itertools
import pathlib
from collections.abc import Mapping

import numpy as np
from absl import logging

from storage import LostError, UserError, retry
from trainer.backup import archive
from trainer.backup.backup_folder import BackupFolder
from trainer.backup.generation import Generation

_ATTEMPTS = 7  # Of a save; the waits between them last 63 s.


class BackupWriter:
    """Writes new generations, and deletes those no longer needed.

    Args:
        folder: The backup folder, after acquire().

    Attributes:
        archive_bytes: Size of the last archive.
    """

    def __init__(self, folder: BackupFolder) -> None:
        self.archive_bytes = 0
        self._folder = folder
        self._saves = itertools.count()
        self._attempts = itertools.count()

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
        path = self._folder.local_dir / f"save-{next(self._saves)}.zip"
        try:
            archive.write(path, arrays, document)
            self.archive_bytes = path.stat().st_size
            newest = self._write(path, document)
        finally:
            path.unlink(missing_ok=True)
        try:
            self._folder.check()
            self._folder.generations.prune(
                newest=newest,
                first_leg=document["legs"][0]["leg"],
                known=self._folder.known,
                passed_over=self._folder.passed_over,
                settle_seconds=self._folder.settle_seconds,
            )
        except LostError:
            raise
        except (OSError, UserError) as error:  # For example no permission.
            logging.warning("Old backups are not deleted for now: %s", error)

    def _write(self, path: pathlib.Path, document: dict) -> Generation:
        """Writes a generation; each attempt uses a new name."""
        folder, step = self._folder, document["step"]

        def write() -> Generation:
            generation = Generation(
                folder.leg, step, next(self._attempts), folder.lease.token
            )
            folder.check()
            try:
                folder.generations.write(
                    generation,
                    path,
                    epochs=len(document["history"]),
                    first_leg=document["legs"][0]["leg"],
                    identity=folder.identity,
                )
                folder.note_newest(generation)
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
            self._folder.guard.check()
            self._folder.generations.delete(generation)
        except (OSError, UserError) as error:
            logging.warning("%s is not deleted: %s", generation.archive, error)
