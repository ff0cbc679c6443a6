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
from absl import logging

from storage import UserError
from trainer.backup.backup_folder import BackupFolder
from trainer.runtime.run_state import RunState

_LONGEST_WAIT_SECONDS = 900.0  # For the last save; a mount may hang forever.
_UPLOAD_BYTES_PER_SECOND = 5e6  # What a mount sends on after a save.


class BackupAndRestore(keras.callbacks.BackupAndRestore):
    """Saves a run as it goes, and takes it up again where it was.

    Nothing is written before on_train_begin.

    Args:
        folder: Where to.
        state: The run; restored on_train_begin, saved from then on.
        every_seconds: Seconds between two saves; 0: not by time.
        every_steps: Steps between two saves; 0: not by steps.
        restart: Whether to start over, whatever the folder holds.
        chief: Whether this process is the one that writes. The others of a
            run on several machines only restore.

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
        every_seconds: float = 0.0,
        every_steps: int = 0,
        restart: bool = False,
        chief: bool = True,
    ):
        super().__init__(folder.url, delete_checkpoint=False)
        self.folder = folder
        self.state = state
        self.every_seconds = every_seconds
        self.every_steps = every_steps
        self.restart = restart
        self.chief = chief
        self.saves = self.failures = 0
        self.copy_seconds = 0.0
        self._longest_save = 0.0
        self._saved = None
        self._due = float("inf")
        self._thread: threading.Thread | None = None

    def on_train_begin(self, logs=None):
        """Restores the newest generation that is whole, if there is one."""
        del logs
        if self.chief:
            self.folder.take()
            self.state.leg = self.folder.leg
        if not self.restart:
            self.restore()
        else:
            logging.warning(
                "--restart: starting over. Leave it out when you run the "
                "command again, or it starts over again"
            )
        self._due = time.monotonic() + self.every_seconds

    def on_train_batch_end(self, batch, logs=None):
        """Saves if a save is due and none is under way.

        Raises:
            storage.UserError: Another trainer has taken the folder over.
        """
        del batch, logs
        if self.folder.lost_to:
            raise UserError(
                f"{self.folder.url} was taken over by {self.folder.lost_to}: "
                "this trainer stops, and leaves the run to the other"
            )
        by_time = self.every_seconds and time.monotonic() >= self._due
        by_step = self.every_steps and self.state.step % self.every_steps == 0
        if (by_time or by_step) and not self._busy():
            self.save()

    def on_epoch_end(self, epoch, logs=None):
        """Does nothing: the cadence is on_train_batch_end's."""

    def on_train_end(self, logs=None):
        """Saves the state that training ends with; the generations stay."""
        del logs
        self.save()
        self.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Waits for the save under way and gives the folder back."""
        self.wait()
        self.folder.release()

    @property
    def is_saved(self) -> bool:
        """Whether the run is stored just as it is now, by whoever stores."""
        return not self.chief or self._saved == self._place()

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
        self._due = time.monotonic() + self.every_seconds
        if not self.chief or self.folder.lost_to or self.is_saved:
            return
        began = time.monotonic()
        arrays, document = self.state.arrays(), self.state.document()
        document = json.loads(json.dumps(document))
        self.copy_seconds += time.monotonic() - began
        self._thread = threading.Thread(
            target=self._save,
            args=(arrays, document, self._place()),
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
        """Goes (back) to the newest generation that is whole, if any."""
        self.wait()
        if not self.folder.restore(self.state):
            return False
        self._saved = self._place()
        return True

    def _place(self):
        return (
            self.state.step,
            len(self.state.history),
            len(self.state.bad_steps),
        )

    def _busy(self):
        return self._thread is not None and self._thread.is_alive()

    def _save(self, arrays, document, place):
        """Runs on the background thread; never raises."""
        began = time.monotonic()
        try:
            self.folder.store(arrays, document)
            self._saved = place
            self.saves += 1
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
