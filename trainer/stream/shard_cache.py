"""Copies shards of slow folders to this machine's own disk, once.

  CACHE_DIR/records-<digest>/
    <shard>.tfrecord   exists only after its sha256 was verified

Copying starts at once, with several threads. A reader that needs a shard waits
for it and moves it to the front of the queue, so that training starts with the
first window while the other shards are still being copied. If the disk is too
small for the dataset, or a copy fails or is gone later, records are read from
the original folder. A copy stays open after its first use, so that it can still
be read after someone has deleted it.

Several trainers may share a folder: each writes its copies under its own names,
and renames them after the verification (storage/whole_file.py).
"""

import collections
import dataclasses
import os
import pathlib
import shutil
import threading
import types
from collections.abc import Iterable, Sequence
from typing import Self

from absl import logging

import storage
from console.progress import Progress
from storage import whole_file
from tfrecord_builder.records.dataset_info import DatasetInfo
from trainer.stream.shard_copy import ShardCopy

_THREADS = 4
_ROOM_LEFT = 1 << 30  # 1 GiB stays free for the workdir and its backups.


@dataclasses.dataclass(frozen=True)
class Dataset:
    """The part of a dataset that is copied.

    Attributes:
        info: The dataset.
        data_dir: Its folder, gs:// or a mount.
        splits: The splits that are read, the training folds first.
    """

    info: DatasetInfo
    data_dir: str
    splits: Sequence[str]


class ShardCache:
    """Copies the shards of datasets, and returns the path to read each at.

    Args:
        datasets: The datasets to copy, in this order.
        cache_dir: Folder on a local disk for copies of datasets.

    Attributes:
        folders: The datasets' folders in `cache_dir`.
        error: The first fault of a dataset, or error of a thread; None if there
            was none so far.
    """

    def __init__(self, datasets: Sequence[Dataset], *, cache_dir: str) -> None:
        self.folders: list[pathlib.Path] = []
        self.error: Exception | None = None
        # The keys are the paths of the original shards.
        self._copies: dict[str, ShardCopy] = {}
        for dataset in datasets:
            name = f"records-{dataset.info.digest()[:16]}"
            self.folders.append(pathlib.Path(cache_dir, name))
            self._add(dataset, self.folders[-1])
        self._todo = collections.deque(self._copies)
        self._pending = set(self._copies)
        self._local: set[str] = set()
        self._changed = threading.Condition()
        self._progress: Progress | None = None

    def _add(self, dataset: Dataset, folder: pathlib.Path) -> None:
        source = storage.open_folder(dataset.data_dir)
        for split in dataset.splits:
            for shard in dataset.info.splits[split].shards:
                original = os.path.join(dataset.data_dir, shard.name)
                path = folder / shard.name
                self._copies[original] = ShardCopy(shard, source, path)

    def __enter__(self) -> Self:
        for folder in self.folders:
            folder.mkdir(parents=True, exist_ok=True)
            whole_file.remove_unfinished(folder)  # Left by killed trainers.
        needed = _ROOM_LEFT + sum(
            copy.shard.bytes
            for copy in self._copies.values()
            if not copy.has_size()
        )
        free = shutil.disk_usage(self.folders[0]).free
        if free < needed:
            logging.warning(
                "--cache_dir: %s has no room for the records (%d MiB needed, "
                "%d MiB free); they are read from their own folder",
                self.folders[0].parent,
                needed >> 20,
                free >> 20,
            )
            self._todo.clear()
            self._pending.clear()
        progress = self._progress = Progress(
            f"copying records to {self.folders[0].parent}",
            total=sum(self._copies[path].shard.bytes for path in self._todo),
            unit="MiB",
            unit_scale=2**-20,
            at_once=False,
        )
        for _ in range(_THREADS):
            threading.Thread(
                target=self._work, args=(progress,), daemon=True
            ).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        """Stops copying.

        Raises:
            Exception: A shard could not be copied, and the block ended with an
                error,
                which this error replaces because it is the cause.
        """
        with self._changed:
            # Waiting threads, such as one that reads ahead, can continue.
            self._todo.clear()
            self._pending.clear()
            self._changed.notify_all()
        if self._progress:
            self._progress.close()
        if error is not None and self.error is not None:
            raise self.error from None

    def fetch(self, paths: Iterable[str | bytes]) -> list[str]:
        """Waits for shards, and returns the paths to read them at.

        Args:
            paths: Paths of shards in the datasets' folders.

        Raises:
            storage.UserError: A shard is damaged or missing.
        """
        wanted = [os.fsdecode(path) for path in paths]
        with self._changed:
            for path in [p for p in self._todo if p in wanted][::-1]:
                self._todo.remove(path)
                self._todo.appendleft(path)
            self._changed.wait_for(
                lambda: self.error or self._pending.isdisjoint(wanted)
            )
            if self.error:
                raise self.error
        local = [path for path in wanted if path in self._local]
        held = {path: self._copies[path].hold() for path in local}
        self._leave([path for path in local if held[path] is None])
        return [held.get(path) or path for path in wanted]

    def _leave(self, lost: list[str]) -> None:
        """Switches shards whose copy is gone or changed to the original."""
        if lost:
            logging.warning(
                "--cache_dir: %d copies are gone or were changed (%s, …); "
                "these shards are read from their own folder",
                len(lost),
                self._copies[lost[0]].path,
            )
            self._local.difference_update(lost)

    def _work(self, progress: Progress) -> None:
        """Copies shards until the queue is empty; runs on a thread."""
        while True:
            with self._changed:
                if not self._todo:
                    return
                path = self._todo.popleft()
            copied, error = False, None
            try:
                self._copies[path].ensure()
                copied = True
            except OSError as failure:
                logging.warning(
                    "--cache_dir: %s is not copied (%s); it is read from its "
                    "own folder",
                    path,
                    failure,
                )
            except Exception as fault:  # Otherwise fetch() would wait for ever.
                error = fault
            with self._changed:
                self._pending.discard(path)
                if copied:
                    self._local.add(path)
                self.error = self.error or error
                self._changed.notify_all()
                over = not self._pending
            progress.advance(self._copies[path].shard.bytes)
            if over:
                progress.close()
