"""The backup folder of a run, and its owner.

read it only -> acquire -> restore -> store, repeatedly -> release

backup_reader.py restores from it, backup_writer.py stores to it.
"""

import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from absl import logging

import storage
from storage import whole_file
from storage.mount_guard import MountGuard
from storage.ownership.heartbeat import Heartbeat
from storage.ownership.lease import Lease
from trainer.backup import choice
from trainer.backup.generation import Generation
from trainer.backup.generations import OWNER, Generations

RESTORED = "restore.zip"  # Name of the local copy of an archive.


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
        known: Generations of earlier legs that existed at acquire(). Other
            generations of these legs arrived late.
        passed_over: Generations that this leg could not use. They are not
            deleted: another machine or the next start may be able to.

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
        self.known: set[Generation] = set()
        self.passed_over: set[Generation] = set()

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
        self.known = set(self.generations.listing())
        self.local_dir.mkdir(parents=True, exist_ok=True)
        # Remove the files of a process that was killed.
        whole_file.remove_unfinished(self.local_dir)
        for pattern in ("save*", RESTORED):
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

    def pass_over(self, generations: Iterable[Generation]) -> None:
        """Records generations that cannot be used; they are not deleted."""
        self.passed_over.update(generations)

    def note_newest(self, generation: Generation) -> None:
        """Records the newest generation in the lease, for the next owner."""
        self.lease.extra[choice.SAVED] = generation.stem
