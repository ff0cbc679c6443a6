"""The output folder of a dataset, and how a finished build is put there.

If the output is on local disk, it is built in OUTPUT/.build, and its shards are
renamed. If it is a mount or gs://, it is built under --spool_dir, and shards
are copied; a shard that exists already with the same bytes is not copied again.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import re
import tempfile
from collections.abc import Callable

import storage
from console import differences
from console.progress import Progress
from storage import UserError, mounts, retry
from tfrecord_builder.building import staging
from tfrecord_builder.building.output_lease import OutputLease
from tfrecord_builder.building.staging import Staging
from tfrecord_builder.records import dataset_info
from tfrecord_builder.records.dataset_info import DatasetInfo

LOG_NAME = "build_log.json"
_SHARD_NAME = re.compile(r"(fold\d+|unseen)-\d{5}-of-\d{5}\.tfrecord")
# Files left by a kill within Folder.replace, and by an old version's lease.
_LEFT_OVER = re.compile(
    r"\.(dataset_info|build_log|building)\.json\.\w+\.tmp|building\.json"
)
_COPIES_AT_ONCE = 8


class Destination:
    """The output folder, and the folder of its unfinished build.

    Attributes:
        folder: The output folder.
        work: The folder on local disk of the unfinished build.
        moved_to: The folder that finished shards are renamed to; None if they
            are copied.
    """

    def __init__(
        self, url: str, spool_dir: str | None, *, always_spool: bool
    ) -> None:
        self.folder = storage.open_folder(url)
        self._lease = OutputLease(self.folder)
        self.moved_to: pathlib.Path | None = None
        path = self.folder.path
        if always_spool or path is None or mounts.is_mount(path):
            full = os.path.realpath(path) if path else url.rstrip("/")
            name = hashlib.sha256(full.encode()).hexdigest()[:16]
            spool = pathlib.Path(spool_dir or tempfile.gettempdir())
            self.work = spool / f"tfrecord_builder-{name}"
        else:
            self.work = path / staging.NAME
            self.moved_to = path

    def find_whole(self, log: dict) -> DatasetInfo | None:
        """Returns the dataset in the folder if the same command made it.

        Args:
            log: The flags and the source of this command.

        Raises:
            UserError: There is another dataset, or this dataset has lost a
                shard.
        """
        files = self.folder.list()
        if dataset_info.NAME not in files:
            return None
        url = self.folder.url
        try:
            before = json.loads(self.folder.read_bytes(LOG_NAME))
            flags, source = before["flags"], before["source"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            raise UserError(
                f"{url}: it holds a dataset without a readable {LOG_NAME}, so "
                "its flags are unknown; choose another --output_dir, or add "
                "--overwrite"
            ) from None
        differing = differences.describe(flags, log["flags"], prefix="--")
        if source != log["source"]:
            differing.append("other input files")
        if differing:
            raise UserError(
                f"{url}: it holds another dataset ({', '.join(differing)}); "
                "choose another --output_dir, or add --overwrite"
            )
        return dataset_info.read(url)

    def lease(
        self, identity: dict, *, overwrite: bool
    ) -> contextlib.AbstractContextManager:
        """Returns a context manager that keeps other machines out."""
        if self.moved_to:
            return contextlib.nullcontext()
        return self._lease.hold(identity, overwrite=overwrite)

    def clean(self) -> None:
        """Removes the files of a build that was killed after its last step."""
        if self.work.exists():
            with Staging(self.work, self.folder.url) as leftover:
                leftover.remove()
        if not self.moved_to:
            self._lease.remove()
            for name in filter(_LEFT_OVER.fullmatch, self.folder.list()):
                self.folder.delete(name)

    def commit(
        self,
        info: DatasetInfo,
        digests: dict[str, str],
        log: dict,
        move_shards: Callable[[dict[str, str]], dict[str, int]] | None = None,
    ) -> DatasetInfo:
        """Publishes finished shards; dataset_info.json comes last.

        The dataset_info.json of an old dataset is deleted first, so that it no
        longer counts as a dataset. After a kill between any two steps the same
        call completes the work.

        Args:
            info: The dataset, without sizes and digests of shards.
            digests: The SHA-256 of each shard, by name.
            log: The content of build_log.json.
            move_shards: Moves the shards in `digests` to the folder and returns
                their sizes; None if they are in `work`.

        Returns:
            The complete information.

        Raises:
            UserError: Another builder has taken over the output.
        """
        self._lease.refuse_if_lost()
        self.folder.delete(dataset_info.NAME)
        for name in self.folder.list():
            stale = _SHARD_NAME.fullmatch(name) and name not in digests
            if stale or _LEFT_OVER.fullmatch(name):
                self.folder.delete(name)
        if move_shards:
            sizes = move_shards(digests)
        elif self.moved_to:
            sizes = self._move(digests, self.moved_to)
        else:
            sizes = self._copy(digests)
        splits = {
            name: dataclasses.replace(
                split,
                shards=tuple(
                    dataclasses.replace(
                        s, bytes=sizes[s.name], sha256=digests[s.name]
                    )
                    for s in split.shards
                ),
            )
            for name, split in info.splits.items()
        }
        info = dataclasses.replace(info, splits=splits)
        text = json.dumps(log, ensure_ascii=False, indent=1) + "\n"
        self.folder.replace(LOG_NAME, text.encode())
        self.folder.replace(dataset_info.NAME, info.to_json().encode())
        return info

    def _move(
        self, digests: dict[str, str], folder: pathlib.Path
    ) -> dict[str, int]:
        """Renames shards; returns their sizes."""
        sizes = {}
        for name in digests:
            staged, final = self.work / name, folder / name
            if staged.exists():
                os.replace(staged, final)  # Its bytes were synced before.
            sizes[name] = final.stat().st_size
        return sizes

    def _copy(self, digests: dict[str, str]) -> dict[str, int]:
        """Copies shards that are missing; returns their sizes."""
        names = sorted(digests)
        what = f"copying shards to {self.folder.url}"
        with Progress(what, total=len(names), unit="shards") as progress:
            for i in range(0, len(names), _COPIES_AT_ONCE):
                some = names[i : i + _COPIES_AT_ONCE]
                retry.retry(functools.partial(self._copy_some, some), what)
                progress.advance(len(some))
        return {name: (self.work / name).stat().st_size for name in names}

    def _copy_some(self, names: list[str]) -> None:
        """Copies a few shards, except those that the folder has already."""
        files = {}
        for name in names:
            if not self.folder.has_same_bytes(self.work / name, name):
                self.folder.delete(name)
                files[name] = self.work / name
        self.folder.upload_many(files)
