"""Shards of a slow folder, copied to this machine's own disk once.

  CACHE_DIR/records-<digest>/
    <shard>.tfrecord   there only after its sha256 was right
    lock               held while a process uses the folder

Copies start at once, several at a time. Whoever needs a shard waits for it and
sends it to the head of the queue, so that training starts with the first window
while the rest is still on its way. Without room for the set, or where a copy
fails, records are read where they lie.
"""

import collections
import hashlib
import os
import pathlib
import threading
import time
from collections.abc import Iterable, Sequence

from absl import logging

import storage
from tfrecord_builder import dataset_info as dataset_info_lib
from trainer import cache_room

_THREADS = 4
_ATTEMPTS = 3
_ROOM_LEFT = 1 << 30  # 1 GiB, for the workdir and its backups.
_SECONDS_BETWEEN_LINES = 10.0


class ShardCache:
    """Copies the shards of a dataset, and says where each is to be read.

    Args:
        info: The dataset.
        data_dir: Its folder, gs:// or a mount.
        cache_dir: Folder on this machine's own disk for copies of datasets.
        splits: The splits that are read, the training folds first.
    """

    def __init__(
        self,
        info: dataset_info_lib.DatasetInfo,
        *,
        data_dir: str,
        cache_dir: str,
        splits: Sequence[str],
    ):
        shards = [s for split in splits for s in info.splits[split].shards]
        self.path = pathlib.Path(cache_dir, f"records-{info.digest()[:16]}")
        self.error: storage.UserError | None = None
        self._source = storage.open_folder(data_dir)
        self._shards = shards
        self._todo = collections.deque(shards)
        self._pending = {shard.name for shard in shards}
        self._local: set[str] = set()
        self._changed = threading.Condition()
        self._lock = None
        self._began = self._said = time.monotonic()
        self._copied = 0

    def __enter__(self):
        self._lock = cache_room.use(self.path)
        needed = _ROOM_LEFT + sum(
            s.bytes for s in self._shards if not self._has_size(s)
        )
        room = cache_room.make_room(self.path, needed)
        if room < needed:
            logging.warning(
                "--cache_dir: %s has no room for the records (%d MiB needed, "
                "%d MiB free); they are read from %s",
                self.path.parent,
                needed >> 20,
                room >> 20,
                self._source.url,
            )
            self._todo.clear()
            self._pending.clear()
        for _ in range(_THREADS):
            threading.Thread(target=self._work, daemon=True).start()
        return self

    def __exit__(self, kind, error, traceback):
        """Stops copying; raises the data's fault in place of what it caused."""
        with self._changed:
            self._todo.clear()
        self._lock.close()
        if error is not None and self.error is not None:
            raise self.error from None

    def fetch(self, paths: Iterable[str | bytes]) -> list[str]:
        """Waits for shards, and returns the paths to read them at.

        Args:
            paths: Paths of shards in `data_dir`.

        Raises:
            storage.UserError: A shard in `data_dir` is damaged or missing.
        """
        paths = [os.fsdecode(path) for path in paths]
        names = [path.rpartition("/")[2] for path in paths]
        with self._changed:
            for shard in [s for s in self._todo if s.name in names][::-1]:
                self._todo.remove(shard)
                self._todo.appendleft(shard)
            self._changed.wait_for(
                lambda: self.error or self._pending.isdisjoint(names)
            )
            if self.error:
                raise self.error
            return [
                str(self.path / name) if name in self._local else path
                for name, path in zip(names, paths, strict=True)
            ]

    def _has_size(self, shard):
        path = self.path / shard.name
        return path.exists() and path.stat().st_size == shard.bytes

    def _work(self):
        """Copies shards until there are no more; runs on a thread."""
        while True:
            with self._changed:
                if not self._todo:
                    return
                shard = self._todo.popleft()
            copied, error = None, None
            try:
                copied = self._bring(shard)
            except (storage.UserError, FileNotFoundError) as fault:
                error = storage.UserError(str(fault))
            except OSError as failure:
                logging.warning(
                    "--cache_dir: %s is not copied (%s); it is read from %s",
                    shard.name,
                    failure,
                    self._source.url,
                )
            with self._changed:
                self._pending.discard(shard.name)
                if copied is not None:
                    self._local.add(shard.name)
                    self._copied += copied
                self.error = self.error or error
                self._changed.notify_all()
                self._say()

    def _bring(self, shard):
        """Makes sure that a shard is there; returns the bytes copied."""
        path = self.path / shard.name
        if self._has_size(shard) and _sha256(path) == shard.sha256:
            return 0
        path.unlink(missing_ok=True)
        unchecked = self.path / f".{shard.name}.tmp"
        for _ in range(_ATTEMPTS):
            self._source.download(shard.name, unchecked)
            found = _sha256(unchecked)
            if found == shard.sha256:
                os.replace(unchecked, path)
                return shard.bytes
        unchecked.unlink()
        raise storage.UserError(
            f"{self._source.url}/{shard.name} is damaged: expected sha256 "
            f"{shard.sha256}, got {found}; copy the dataset again, or build it "
            "again with --overwrite"
        )

    def _say(self):
        """Logs how far it is, now and then and at the end."""
        now, left = time.monotonic(), len(self._pending)
        if not self._copied or (
            left and now - self._said < _SECONDS_BETWEEN_LINES
        ):
            return
        self._said = now
        logging.info(
            "--cache_dir: %d of %d shards are in %s; %d MiB copied, %.0f MiB/s",
            len(self._shards) - left,
            len(self._shards),
            self.path,
            self._copied >> 20,
            (self._copied >> 20) / max(now - self._began, 1e-9),
        )


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
