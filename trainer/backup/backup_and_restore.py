"""The backup of a run, and the resume from it.

Keras's BackupAndRestore overwrites one file with the weights and the number of
the epoch. This subclass saves the whole state of a run, also inside an epoch,
as generations that are verified and never overwritten (generations.py). A
background thread saves; training waits only until the variables are copied.

  save: copy the variables -> archive on local disk -> copy to the backup
        folder -> read back -> manifest -> delete what is no longer needed
"""

import functools
import json
import time

import keras
from absl import logging

from trainer.backup.backup_folder import BackupFolder
from trainer.backup.backup_reader import BackupReader
from trainer.backup.backup_writer import BackupWriter
from trainer.backup.choice import Choice
from trainer.backup.save_thread import SaveThread
from trainer.runtime import useful_time
from trainer.runtime.legs import Lost
from trainer.runtime.run_state import RunState
from trainer.runtime.workers import Workers

_UPLOAD_BYTES_PER_SECOND = 5e6  # Speed of a mount's upload after a save.


_Progress = tuple[int, int, int]


class BackupAndRestore(keras.callbacks.BackupAndRestore):
    """Saves backups of a run, and resumes the run from them.

    It writes nothing before on_train_begin. It uses only the constructor of
    Keras's class and the protocol of callbacks. It replaces every method that
    reads or writes: Keras's methods overwrite their only file, check no digest,
    and save neither the step nor the history.

    Args:
        folder: The backup folder.
        state: The run. on_train_begin restores it; later it is saved.
        chief: Whether this process writes the backups. The other workers of a
            run on several machines only restore.
        workers: All workers of the run; None if this process is the only one.

    The other arguments are flags, see flags/trainer/machine_flags.py.

    Attributes:
        copy_seconds: Seconds that training waited for copies of the variables.
        lost: The work of earlier legs that is in no backup; set by
            on_train_begin().
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
        workers: Workers | None = None,
    ) -> None:
        super().__init__(folder.url, delete_checkpoint=False)
        self.folder = folder
        self.state = state
        self.backup_every_seconds = backup_every_seconds
        self.backup_every_steps = backup_every_steps
        self.restart = restart
        self.chief = chief
        self.reader = BackupReader(folder, chief=chief, workers=workers)
        self.writer = BackupWriter(folder)
        self.copy_seconds = 0.0
        self.lost = Lost()
        self._thread = SaveThread(folder.url)
        self._saved: _Progress | None = None
        self._due = float("inf")

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Restores the newest complete generation, if there is one.

        Raises:
            storage.UserError: There are backups, but none can be used; or
                another trainer owns the folder.
        """
        del logs
        # Read before the first write: the folder may be refused.
        chosen = None
        if self.chief and not self.restart:
            chosen = self.reader.choose(self.state)
        if self.chief:
            self.folder.acquire()
        if not self.restart:
            self._restore(chosen)
            before = self.folder.lease.last_extra
            self.lost = useful_time.lost(
                before.get(useful_time.PROGRESS), self.state
            )
        else:
            logging.warning(
                "--restart: starting from the beginning. Remove the flag when "
                "you run the command again, or it starts from the beginning "
                "again"
            )
        self._due = time.monotonic() + self.backup_every_seconds

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Records the start of this leg in the lease, for the next leg."""
        del epoch, logs
        self._note_progress()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Saves a backup if one is due and no other save is running.

        Raises:
            storage.LostError: Another trainer owns the folder.
        """
        del batch, logs
        self.folder.refuse_if_lost()
        self._note_progress()
        began = time.monotonic()
        self._thread.mind()
        by_time = self.backup_every_seconds and began >= self._due
        by_step = self.backup_every_steps and (
            self.state.step % self.backup_every_steps == 0
        )
        if (by_time or by_step) and not self._thread.is_busy:
            self.save()
            self.state.count_backup_seconds(time.monotonic() - began)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Does nothing: on_train_batch_end decides when to save."""

    def on_train_end(self, logs: dict | None = None) -> None:
        """Saves the last state of the training, and deletes no backup after it.

        Raises:
            storage.LostError: Another trainer owns the folder.
        """
        del logs
        self.save()
        self.wait()
        self.folder.refuse_if_lost()

    def __enter__(self) -> "BackupAndRestore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None = None, *_: object
    ) -> None:
        """Waits for the running save and releases the folder.

        If Ctrl-C ended the run, it does not wait.
        """
        if kind is None or issubclass(kind, Exception):
            self.wait()
        self.folder.release()

    @property
    def leg(self) -> int:
        """Number of this start of the command; set by on_train_begin."""
        return self.folder.leg if self.chief else 1

    @property
    def saves(self) -> int:
        """Number of saves that succeeded."""
        return self._thread.saves

    @property
    def failures(self) -> int:
        """Number of failed saves, plus the reports of a hanging save."""
        return self._thread.failures

    @property
    def is_saved(self) -> bool:
        """Whether the current state is saved; always true if not the chief."""
        return not self.chief or self._saved == self._progress()

    @property
    def reserve_seconds(self) -> float:
        """Seconds before a time limit at which the last save must begin."""
        upload = 0.0
        if self.folder.on_mount:
            upload = self.writer.archive_bytes / _UPLOAD_BYTES_PER_SECOND
        return 2.0 * max(self._thread.longest, 2.0) + upload

    def save(self) -> None:
        """Copies the state and starts to save it in the background."""
        self.wait()
        self._due = time.monotonic() + self.backup_every_seconds
        self.folder.refuse_if_lost()
        if not self.chief or self.is_saved:
            return
        began = time.monotonic()
        arrays, document = self.state.arrays(), self.state.document()
        document = json.loads(json.dumps(document))
        self.copy_seconds += time.monotonic() - began
        self._thread.start(
            document["step"],
            functools.partial(self.writer.store, arrays, document),
            functools.partial(setattr, self, "_saved", self._progress()),
        )

    def wait(self) -> None:
        """Waits for the running save, if there is one, up to a time limit."""
        self._thread.wait()

    def restore(self) -> bool:
        """Restores the newest generation of this run, if there is one.

        If there are several workers, the chief chooses the generation and all
        of them restore it.

        Raises:
            storage.UserError: There are backups, but none can be used; or a
                worker cannot restore the generation that the chief chose.
        """
        self.wait()
        return self._restore()

    def _restore(self, chosen: Choice | None = None) -> bool:
        since_leg = self.leg if self.restart else 0
        restored = self.reader.restore(self.state, chosen, since_leg=since_leg)
        if restored:
            self._saved = self._progress()
        return restored

    def _note_progress(self) -> None:
        progress = useful_time.progress(self.state)
        self.folder.lease.extra[useful_time.PROGRESS] = progress

    def _progress(self) -> _Progress:
        """Returns values that identify a state of the run."""
        return (
            self.state.step,
            len(self.state.history),
            len(self.state.bad_steps),
        )
