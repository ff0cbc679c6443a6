"""The backup of a whole run, and the resume from it.

Keras's BackupAndRestore saves the weights in place and the epoch's number;
this subclass saves everything a run is, in mid-epoch too, as generations that
are verified and never overwritten (generations.py), from a background thread:
training waits only for the variables to be copied.

  save: copy the variables -> archive on local disk -> copy to the backup
        folder -> read back -> manifest -> delete what is no longer needed
"""

import json
import threading
import time

import keras
import numpy as np
from absl import logging

from storage import LostError
from trainer.backup.backup_folder import BackupFolder
from trainer.backup.choice import Choice
from trainer.runtime.run_state import RunState

_LONGEST_WAIT_SECONDS = 900.0  # For the last save; a mount may hang forever.
_UPLOAD_BYTES_PER_SECOND = 5e6  # What a mount sends on after a save.


class BackupAndRestore(keras.callbacks.BackupAndRestore):
    """Saves a run as it goes, and continues it where it was.

    Nothing is written before on_train_begin. Of Keras's class this one uses
    the constructor and the protocol of callbacks. Every hook that reads or
    writes is its own, since Keras's overwrites the one file that it keeps,
    checks no digest, and remembers neither the step nor the history.

    Args:
        folder: Where to.
        state: The run; restored on_train_begin, saved from then on.
        chief: Whether this process is the one that writes. The others of a
            run on several machines only restore.

    The other arguments are flags, see flags/trainer/machine_flags.py.

    Attributes:
        saves: Saves that succeeded.
        failures: Saves that failed.
        copy_seconds: Time that training waited for the variables' copies.
    """

    def __init__(
        self,
        folder: BackupFolder,
        *,
        state: RunState,
        chief: bool,
        backup_every_seconds: float,
        backup_every_steps: int,
        restart: bool,
    ):
        super().__init__(folder.url, delete_checkpoint=False)
        self.folder = folder
        self.state = state
        self.backup_every_seconds = backup_every_seconds
        self.backup_every_steps = backup_every_steps
        self.restart = restart
        self.chief = chief
        self.saves = self.failures = 0
        self.copy_seconds = 0.0
        self._longest_save = 0.0
        self._saved: tuple[int, int, int] | None = None
        self._due = float("inf")
        self._thread: threading.Thread | None = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Restores the newest complete generation, if there is one.

        Raises:
            storage.UserError: There are backups, and none can be used; or
                another trainer owns the folder.
        """
        del logs
        # Read before the folder is written to: it may be refused.
        chosen = None if self.restart else self.folder.choose(self.state)
        if self.chief:
            self.folder.acquire()
        if chosen:
            self._restore(chosen)
        else:
            logging.warning(
                "--restart: starting over. Leave it out when you run the "
                "command again, or it starts over again"
            )
        self._due = time.monotonic() + self.backup_every_seconds

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Saves if a save is due and none is under way.

        Raises:
            storage.LostError: Another trainer owns the folder.
        """
        del batch, logs
        self.folder.refuse_if_lost()
        began = time.monotonic()
        by_time = self.backup_every_seconds and began >= self._due
        by_step = self.backup_every_steps and (
            self.state.step % self.backup_every_steps == 0
        )
        if (by_time or by_step) and not self._busy():
            self.save()
            self.state.count_backup_seconds(time.monotonic() - began)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Does nothing: the cadence is on_train_batch_end's."""

    def on_train_end(self, logs: dict | None = None) -> None:
        """Saves the state that training ends with; the generations stay.

        Raises:
            storage.LostError: Another trainer owns the folder.
        """
        del logs
        self.save()
        self.wait()
        self.folder.refuse_if_lost()

    def __enter__(self) -> "BackupAndRestore":
        return self

    def __exit__(self, *_: object) -> None:
        """Waits for the save under way and gives the folder back."""
        self.wait()
        self.folder.release()

    @property
    def leg(self) -> int:
        """Number of this start of the command, after on_train_begin."""
        return self.folder.leg if self.chief else 1

    @property
    def is_saved(self) -> bool:
        """Whether the run is stored just as it is now, by whoever stores."""
        return not self.chief or self._saved == self._progress()

    @property
    def reserve_seconds(self) -> float:
        """How long before a time limit the last save has to begin."""
        upload = 0.0
        if self.folder.on_mount:
            upload = self.folder.archive_bytes / _UPLOAD_BYTES_PER_SECOND
        return 2.0 * max(self._longest_save, 2.0) + upload

    def save(self) -> None:
        """Copies the state and saves it in the background."""
        self.wait()
        self._due = time.monotonic() + self.backup_every_seconds
        self.folder.refuse_if_lost()
        if not self.chief or self.is_saved:
            return
        began = time.monotonic()
        arrays, document = self.state.arrays(), self.state.document()
        document = json.loads(json.dumps(document))
        self.copy_seconds += time.monotonic() - began
        self._thread = threading.Thread(
            target=self._save,
            args=(arrays, document, self._progress()),
            daemon=True,
        )
        self._thread.start()

    def wait(self) -> None:
        """Waits for the save under way, if there is one."""
        if self._thread is None:
            return
        self._thread.join(_LONGEST_WAIT_SECONDS)
        if self._thread.is_alive():
            logging.error(
                "BACKUP FAILED: %s has not answered for %.0f minutes",
                self.folder.url,
                _LONGEST_WAIT_SECONDS / 60,
            )
        self._thread = None

    def restore(self) -> bool:
        """Goes back to the newest generation of this run, if there is one.

        Raises:
            storage.UserError: There are some, and none can be used.
        """
        self.wait()
        return self._restore()

    def _restore(self, chosen: Choice | None = None) -> bool:
        since_leg = self.leg if self.restart else 0
        if not self.folder.restore(self.state, chosen, since_leg=since_leg):
            return False
        self._saved = self._progress()
        return True

    def _progress(self) -> tuple[int, int, int]:
        """Returns what identifies a state of the run."""
        return (
            self.state.step,
            len(self.state.history),
            len(self.state.bad_steps),
        )

    def _busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _save(
        self,
        arrays: dict[str, np.ndarray],
        document: dict,
        progress: tuple[int, int, int],
    ) -> None:
        """Runs on the background thread; never raises."""
        began = time.monotonic()
        try:
            self.folder.store(arrays, document)
            self._saved = progress
            self.saves += 1
        except LostError:
            pass  # The steps end at the next refuse_if_lost().
        except Exception as error:  # Training goes on, whatever failed here.
            self.failures += 1
            logging.error(
                "BACKUP FAILED at step %d: %s: %s. Training goes on; the next "
                "one is tried in time. Failures so far: %d",
                document["step"],
                type(error).__name__,
                error,
                self.failures,
            )
        seconds = time.monotonic() - began
        self._longest_save = max(self._longest_save, seconds)
