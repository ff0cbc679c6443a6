"""The copy of a shard on this machine's own disk; see shard_cache.py."""

import dataclasses
import os
import pathlib
import resource
import weakref

import storage
from storage import DigestError, Folder, UserError, retry
from tfrecord_builder.records.dataset_info import Shard

_ATTEMPTS = 3


@dataclasses.dataclass
class ShardCopy:
    """A shard and its copy.

    Attributes:
        shard: The shard.
        source: The dataset's folder.
        path: The copy; the file exists only after its sha256 was verified.
        verified: Size, inode and time of the file when it was last verified.
    """

    shard: Shard
    source: Folder
    path: pathlib.Path
    verified: tuple[int, ...] = ()
    _descriptor: int | None = None

    def has_size(self) -> bool:
        """Returns whether there is a copy with the right size."""
        return self._look()[:1] == (self.shard.bytes,)

    def is_right(self) -> bool:
        """Returns whether there is a copy with the shard's sha256.

        The copy is read only if the file was replaced or changed since its last
        verification: another trainer may have replaced it with its own copy.
        """
        seen = self._look()
        if seen[:1] != (self.shard.bytes,):
            return False
        if seen != self.verified:
            try:
                digest = storage.file_digest(self.path)
            except OSError:
                return False
            if digest != self.shard.sha256:
                return False
            self.verified = seen
        return True

    def hold(self) -> str | None:
        """Returns a path to read the copy at; None if it is gone or changed.

        It is the path of an open file, which can be read even after the copy
        was deleted. The file stays open, because it is not known when
        TensorFlow has read it.
        """
        if not self.is_right():
            return None
        if not self._is_verified(self._descriptor) and not self._open():
            return str(self.path) if self.is_right() else None
        path = f"/dev/fd/{self._descriptor}"
        return path if os.path.exists(path) else str(self.path)

    def ensure(self) -> None:
        """Makes the copy if it does not exist.

        Raises:
            UserError: The shard is damaged or missing in the dataset's folder.
            OSError: It could not be copied.
        """
        if self.is_right():
            return
        url = f"{self.source.url}/{self.shard.name}"
        advice = "copy the dataset again, or build it again with --overwrite"
        try:
            retry.retry(
                self._make,
                f"copying {url}",
                handles=lambda error: isinstance(error, DigestError),
                attempts=_ATTEMPTS,
            )
        except DigestError as error:
            raise UserError(f"{url} is damaged: {error}; {advice}") from None
        except FileNotFoundError:
            if self.shard.name in self.source.list():
                raise  # A file or the folder of the cache is missing.
            raise UserError(f"{url} is missing; {advice}") from None

    def _make(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        sha256 = self.shard.sha256
        self.source.download(self.shard.name, self.path, sha256=sha256)
        self.verified = self._look()

    def _open(self) -> bool:
        """Opens the copy; returns whether the verified file is open now."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except OSError:  # It was deleted in the meantime, or the limit is met.
            return False
        if descriptor >= _most_open():
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor).atexit = False
        # Another trainer may have replaced the copy in the meantime.
        return self._is_verified(descriptor)

    def _look(self) -> tuple[int, ...]:
        """Returns the file's bytes, inode and time; () if it does not exist."""
        try:
            return _describe(self.path.stat())
        except OSError:
            return ()

    def _is_verified(self, descriptor: int | None) -> bool:
        """Returns whether an open file is the one that was verified."""
        return descriptor is not None and (
            _describe(os.fstat(descriptor)) == self.verified
        )


def _describe(stat: os.stat_result) -> tuple[int, ...]:
    return stat.st_size, stat.st_ino, stat.st_mtime_ns


def _most_open() -> int:
    """Returns how many files the process may have open for copies to be held.

    The other half of its limit is for all else, such as TensorFlow's files. The
    limit is 1,024 by default, 256 on a Mac.
    """
    return min(512, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
