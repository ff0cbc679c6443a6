"""The backup of a whole run, and the resume from it.

Keras's BackupAndRestore saves the weights in place and the epoch's number;
this subclass saves everything a run is, in mid-epoch too, as generations that
are verified and never overwritten (generations.py), from a background thread:
training waits only for the variables to be copied.

  save: copy the variables -> archive on local disk -> copy to the backup
        folder -> read back -> manifest -> delete what is no longer needed
"""

import functools
import json
import time

import keras
from absl import logging

from storage import UserError
from trainer.backup.backup_folder import BackupFolder
from trainer.backup.choice import Choice
from trainer.backup.save_thread import SaveThread
from trainer.runtime import useful_time
from trainer.runtime.legs import Lost
from trainer.runtime.run_state import RunState
from trainer.runtime.workers import Workers

_UPLOAD_BYTES_PER_SECOND = 5e6  # What a mount sends on after a save.


_Progress = tuple[int, int, int]


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
        workers: All workers of the run; None if this process is the only one.

    The other arguments are flags, see flags/trainer/machine_flags.py.

    Attributes:
        copy_seconds: Time that training waited for the variables' copies.
        lost: What earlier legs did that is in no backup; after
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
        self._workers = workers
        self.copy_seconds = 0.0
        self.lost = Lost()
        self._thread = SaveThread(folder.url)
        self._saved: _Progress | None = None
        self._due = float("inf")

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Restores the newest complete generation, if there is one.

        Raises:
            storage.UserError: There are backups, and none can be used; or
                another trainer owns the folder.
        """
        del logs
        # Read before the folder is written to: it may be refused.
        chosen = None
        if self.chief and not self.restart:
            chosen = self.folder.choose(self.state)
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
                "--restart: starting over. Leave it out when you run the "
                "command again, or it starts over again"
            )
        self._due = time.monotonic() + self.backup_every_seconds

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Tells the next leg that this one has begun."""
        del epoch, logs
        self._note_progress()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Saves if a save is due and none is under way.

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

    def __exit__(
        self, kind: type[BaseException] | None = None, *_: object
    ) -> None:
        """Waits for the save under way and gives the folder back.

        A Ctrl-C that ends the run does not wait.
        """
        if kind is None or issubclass(kind, Exception):
            self.wait()
        self.folder.release()

    @property
    def leg(self) -> int:
        """Number of this start of the command, after on_train_begin."""
        return self.folder.leg if self.chief else 1

    @property
    def saves(self) -> int:
        """Saves that succeeded."""
        return self._thread.saves

    @property
    def failures(self) -> int:
        """Saves that failed, and times that one was reported to hang."""
        return self._thread.failures

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
        return 2.0 * max(self._thread.longest, 2.0) + upload

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
        self._thread.start(
            document["step"],
            functools.partial(self.folder.store, arrays, document),
            functools.partial(setattr, self, "_saved", self._progress()),
        )

    def wait(self) -> None:
        """Waits for the save under way, if there is one, but not for ever."""
        self._thread.wait()

    def restore(self) -> bool:
        """Goes back to the newest generation of this run, if there is one.

        Of several workers the chief chooses it, and all of them go to it.

        Raises:
            storage.UserError: There are some, and none can be used; or a
                worker cannot go to what the chief chose.
        """
        self.wait()
        return self._restore()

    def _restore(self, chosen: Choice | None = None) -> bool:
        if self._workers is None:
            restored = self._restore_alone(chosen)
        else:
            restored = self._restore_together(self._workers, chosen)
        if restored:
            self._saved = self._progress()
        return restored

    def _restore_alone(self, chosen: Choice | None) -> bool:
        since_leg = self.leg if self.restart else 0
        return self.folder.restore(self.state, chosen, since_leg=since_leg)

    def _restore_together(
        self, workers: Workers, chosen: Choice | None
    ) -> bool:
        restored = self.chief and self._restore_alone(chosen)
        stem = workers.from_chief(self.folder.restored if restored else "")
        if stem and not self.chief:
            restored = self.folder.restore_chosen(self.state, stem)
        mine = f"{self.folder.restored if restored else ''}:{self.state.step}"
        chief_s = workers.from_chief(mine)
        if workers.any(mine != chief_s):
            raise UserError(
                f"the workers are not at the same step: the chief went to "
                f"{chief_s} (backup:step), this worker to {mine}. See that all "
                f"of them are shown the same files in {self.folder.url}, and "
                "start all of them again with the same command"
            )
        return restored

    def _note_progress(self) -> None:
        progress = useful_time.progress(self.state)
        self.folder.lease.extra[useful_time.PROGRESS] = progress

    def _progress(self) -> _Progress:
        """Returns what identifies a state of the run."""
        return (
            self.state.step,
            len(self.state.history),
            len(self.state.bad_steps),
        )
