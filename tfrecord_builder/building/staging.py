"""The folder of a build until it is complete, and its journal.

    .build/identity.json   the flags and source; another build is refused
    .build/journal         one line for each finished range of rows, or shard
    .build/lock            locked (flock) by the running builder
    .build/*.tfrecord      shards, with records at their final offsets
    .build/images          PNG: the images, in the order they were read
    .build/input           copies of input files that are not on local disk

It remains after a kill, and the same command continues it. It is in the output
folder or, if that is not on local disk, under --spool_dir.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import shutil
from typing import IO, Self

import storage
from console import differences
from storage import UserError
from tfrecord_builder.parquet.row_ranges import RowRange

NAME = ".build"
INPUT = "input"


class Staging:
    """The folder of one build, locked within a `with` block."""

    def __init__(self, path: pathlib.Path, output: str) -> None:
        """Stores the arguments; __enter__ creates the folder.

        Args:
            path: The folder.
            output: The name of the build in errors.
        """
        self.path = path
        self._output = output
        self._lock: IO | None = None
        self._journal: IO | None = None
        self._made_output = False

    def __enter__(self) -> Self:
        self._made_output = not self.path.parent.exists()
        while True:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = open(self.path / "lock", "a")  # noqa: SIM115
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._lock.close()
                raise UserError(
                    f"{self._output}: another builder is writing to it; "
                    "wait for it, or stop it and run this command again"
                ) from None
            # Another builder that has just ended may have removed this file.
            with contextlib.suppress(FileNotFoundError):
                ours = os.fstat(self._lock.fileno())
                if os.path.samestat(ours, os.stat(self.path / "lock")):
                    return self
            self._lock.close()

    def __exit__(self, *exc: object) -> None:
        if self._journal:
            self._journal.close()
        if {p.name for p in self.path.glob("*")} == {"lock"}:
            self.remove()  # Nothing was begun.
            if self._made_output:
                self.path.parent.rmdir()
        if self._lock:  # The kernel releases the lock, also after a kill.
            self._lock.close()

    def begin(
        self, identity: dict, *, overwrite: bool, output: pathlib.Path | None
    ) -> None:
        """Continues an earlier build of the same identity, or starts a new one.

        Args:
            identity: The values that the result depends on: flags and source.
            overwrite: Whether a build of another identity may be deleted.
            output: The folder that finished shards may have been moved to.
        """
        before = self._identity()
        if before is not None and before != identity and not overwrite:
            changed = differences.describe(before, identity)
            raise UserError(
                f"{self._output}: it holds an unfinished build with other "
                f"flags or another source ({', '.join(changed)}); finish "
                "that build, choose another --output_dir, or add --overwrite"
            )
        if before != identity or self._lost_shards(output):
            self._clear()
            text = json.dumps(identity, ensure_ascii=False)
            storage.write_whole(self.path / "identity.json", text.encode())
        self._cut_journal()
        self._journal = open(self.path / "journal", "ab", buffering=0)  # noqa: SIM115

    def done_ranges(self) -> dict[RowRange, int]:
        """Returns the finished ranges, and the offset of each in `images`."""
        return {
            RowRange(*map(int, words[1:6])): int(words[6])
            for words in self._lines()
            if words[0] == "range"
        }

    def done_shards(self) -> dict[str, str]:
        """Returns the SHA-256 of each finished shard, by name."""
        return {w[1]: w[2] for w in self._lines() if w[0] == "shard"}

    def range_done(self, rows: RowRange, offset: int = 0) -> None:
        numbers = [*dataclasses.astuple(rows), offset]
        self._add(f"range {' '.join(map(str, numbers))}")

    def shard_done(self, name: str, sha256: str) -> None:
        self._add(f"shard {name} {sha256}")

    def start_over(self) -> None:
        """Empties the journal."""
        self._begun().truncate(0)

    def remove(self) -> None:
        """Removes the folder, the lock last."""
        self._clear()
        shutil.rmtree(self.path / INPUT, ignore_errors=True)
        shutil.rmtree(self.path, ignore_errors=True)

    def _identity(self) -> dict | None:
        try:
            return json.loads((self.path / "identity.json").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _lost_shards(self, output: pathlib.Path | None) -> bool:
        """Returns whether a finished shard is missing in both folders."""
        folders = [self.path, *([output] if output else [])]
        return any(
            not any((folder / name).exists() for folder in folders)
            for name in self.done_shards()
        )

    def _clear(self) -> None:
        """Empties the folder, except the lock; deletes the identity first."""
        (self.path / "identity.json").unlink(missing_ok=True)
        for file in self.path.iterdir():
            if file.name not in ("lock", INPUT):
                file.unlink()

    def _cut_journal(self) -> None:
        """Removes an incomplete last line, which a kill may have left."""
        path = self.path / "journal"
        if path.exists():
            os.truncate(path, path.read_bytes().rfind(b"\n") + 1)

    def _begun(self) -> IO:
        """Returns the journal."""
        if self._journal is None:
            raise RuntimeError("begin() opens the journal")
        return self._journal

    def _add(self, line: str) -> None:
        self._begun().write(line.encode() + b"\n")

    def _lines(self) -> list[list[str]]:
        try:
            text = (self.path / "journal").read_text()
        except FileNotFoundError:
            return []
        # Only lines that end with a newline are complete.
        return [line.split() for line in text.split("\n")[:-1] if line]
