"""The backup of a whole run, and the resume from it.

Keras's BackupAndRestore saves the weights in place and the epoch's number;
this subclass saves everything a run is, in mid-epoch too, as generations that
are verified and never overwritten (generations.py), from a background thread:
training waits only for the variables to be copied.

  save: copy the variables -> archive on local disk -> copy to the backup
        folder -> read back -> manifest -> delete what is no longer needed
"""

import collections
import json
import pathlib
import threading
import time

import keras
from absl import logging

import storage
from trainer import archive, generations, lease, mount, run_state

_ATTEMPTS = 3
_FIRST_WAIT_SECONDS = 1.0


class BackupAndRestore(keras.callbacks.BackupAndRestore):
    """Saves a run as it goes, and takes it up again where it was.

    Args:
        backup_dir: Folder that outlives this machine.
        state: The run; restored on_train_begin, saved from then on.
        identity: What makes it this run: flags and data, JSON values.
        local_dir: Folder on this machine's own disk for the archives.
        every_seconds: Seconds between two saves; 0: not by time.
        every_steps: Steps between two saves; 0: not by steps.
        settle_minutes: Age at which a generation has surely arrived.
        restart: Whether to start over, whatever the folder holds.

    Raises:
        storage.UserError: The folder is on a mount that is not there.
    """

    def __init__(
        self,
        backup_dir: str,
        *,
        state: run_state.RunState,
        identity: dict,
        local_dir: pathlib.Path,
        every_seconds: float,
        every_steps: int,
        settle_minutes: float,
        restart: bool,
    ):
        super().__init__(str(backup_dir), delete_checkpoint=False)
        self.folder = storage.open_folder(backup_dir)
        self.guard = mount.MountGuard(self.folder)
        self.lease = lease.Lease(self.folder)
        self.state = state
        self.identity = identity
        self.local_dir = local_dir
        self.every_seconds = every_seconds
        self.every_steps = every_steps
        self.settle_seconds = 60.0 * settle_minutes
        self.restart = restart
        self.saved_step = -1
        self.failures = 0
        self.seconds = collections.Counter()  # By part of a save.
        self._due = time.monotonic()
        self._thread = None
        self._beat = None
        self._stop = threading.Event()

    def on_train_begin(self, logs=None):
        """Restores the newest generation that is whole, if there is one."""
        del logs
        self.refuse_other_run()
        self.folder.make()
        self.guard.remember()
        self.lease.take()
        self.state.leg = self.lease.leg
        self.local_dir.mkdir(parents=True, exist_ok=True)
        if self.guard.shares_disk_with(self.local_dir):
            logging.warning(
                "The backups in %s lie on this machine's own disk and die "
                "with it: give a --backup_dir on Drive or gs:// to survive a "
                "reset",
                self.folder.url,
            )
        if not self.restart:
            self._restore()
        self._due = time.monotonic() + self.every_seconds
        self._beat = threading.Thread(target=self._renew_lease, daemon=True)
        self._beat.start()

    def on_train_batch_end(self, batch, logs=None):
        """Saves if a save is due and none is under way."""
        del batch, logs
        step = self.state.step
        by_time = self.every_seconds and time.monotonic() >= self._due
        by_step = self.every_steps and step % self.every_steps == 0
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
        """Gives the folder back, if it was taken."""
        self.wait()
        if self._beat is None:
            return
        self._stop.set()
        self._beat.join()
        try:
            self.lease.release()
        except OSError as error:
            logging.warning("The lease could not be given back: %s", error)

    def save(self) -> None:
        """Copies the state and saves it in the background."""
        self.wait()
        self._due = time.monotonic() + self.every_seconds
        if self.state.step == self.saved_step:
            return
        began = time.monotonic()
        arrays, document = self.state.arrays(), self.state.document()
        document = json.loads(json.dumps(document))
        self.seconds["copy"] += time.monotonic() - began
        self._thread = threading.Thread(
            target=self._save, args=(arrays, document), daemon=True
        )
        self._thread.start()

    def wait(self) -> None:
        """Waits for the save under way, if there is one."""
        if self._thread is not None:
            began = time.monotonic()
            self._thread.join()
            self.seconds["wait"] += time.monotonic() - began
            self._thread = None

    def refuse_other_run(self) -> None:
        """Refuses a folder whose newest generation is of another run.

        Raises:
            storage.UserError: Names the flags that differ.
        """
        if self.restart:
            return
        for _, manifest, _ in generations.newest_first(self.folder):
            if manifest is None:
                continue
            if manifest["format"] != generations.FORMAT:
                raise storage.UserError(
                    f"{self.folder.url} holds a backup of format "
                    f"{manifest['format']}, expected {generations.FORMAT}: "
                    "use the version that wrote it, or --restart"
                )
            refuse_difference(
                manifest["identity"], self.identity, self.folder.url
            )
            return

    def _restore(self):
        path = self.local_dir / "restore.zip"
        for generation, manifest, why in generations.newest_first(self.folder):
            if manifest is None:
                logging.warning("Passed over %s: %s", generation.stem, why)
                continue
            try:
                generations.fetch(self.folder, generation, manifest, path)
                self.state.restore(*archive.read(path))
            except (ValueError, KeyError, OSError) as error:
                logging.warning("Passed over %s: %s", generation.stem, error)
                continue
            finally:
                path.unlink(missing_ok=True)
            self.saved_step = generation.step
            logging.info(
                "RESUMED at step %d (backup of leg %d; this is leg %d)",
                generation.step,
                generation.leg,
                self.lease.leg,
            )
            return

    def _busy(self):
        return self._thread is not None and self._thread.is_alive()

    def _save(self, arrays, document):
        """Runs on the background thread; never raises."""
        path = self.local_dir / "save.zip"
        step, began = document["step"], time.monotonic()
        try:
            archive.write(path, arrays, document)
            self._store(path, step)
            self.saved_step = step
        except OSError as error:
            self.failures += 1
            logging.error(
                "BACKUP FAILED at step %d: %s. Training goes on; the next "
                "one is tried in time. Failures so far: %d",
                step,
                error,
                self.failures,
            )
        finally:
            path.unlink(missing_ok=True)
            self.seconds["save"] += time.monotonic() - began

    def _store(self, path, step):
        for attempt in range(_ATTEMPTS):
            generation = generations.Generation(self.lease.leg, step, attempt)
            try:
                self.guard.check()
                generations.write(
                    self.folder, generation, path, identity=self.identity
                )
                break
            except OSError as error:
                if attempt == _ATTEMPTS - 1:
                    raise
                wait = _FIRST_WAIT_SECONDS * 4**attempt
                logging.warning(
                    "Backup at step %d: %s; tried again in %.0f s",
                    step,
                    error,
                    wait,
                )
                self._discard(generation)
                time.sleep(wait)
        generations.prune(
            self.folder,
            leg=self.lease.leg,
            settle_seconds=self.settle_seconds,
        )

    def _discard(self, generation):
        try:
            generations.delete(self.folder, generation)
        except OSError as error:
            logging.warning("%s stays: %s", generation.archive, error)

    def _renew_lease(self):
        while not self._stop.wait(lease.RENEW_SECONDS):
            try:
                self.guard.check()
                self.lease.renew()
            except OSError as error:
                logging.warning("The lease was not renewed: %s", error)


def refuse_difference(old: dict, new: dict, where: str) -> None:
    """Refuses to go on with a run under another identity.

    Raises:
        storage.UserError: Names what differs, with both values.
    """
    changed = [
        f"{name} (was {old.get(name)!r}, now {new.get(name)!r})"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
    if changed:
        raise storage.UserError(
            f"{where} holds another run, which differs in "
            f"{', '.join(changed)}: give the old values, another "
            "--backup_dir, or --restart to start over"
        )
