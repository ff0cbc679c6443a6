"""The place where a build grows until it is whole, and its journal.

    RECORDS/.build/identity.json   what is being built; another build is refused
    RECORDS/.build/journal         one line a finished range of rows, or shard
    RECORDS/.build/lock            held (flock) by the one builder at work
    RECORDS/.build/*.tfrecord      shards, records written in place
    RECORDS/.build/images          PNG: the images, in the order they were read

A killed build leaves it; the same command, run again, goes on from it.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import shutil

from storage import UserError
from tfrecord_builder.parquet_reader import RowRange

NAME = ".build"


class Staging:
    """One build's folder, locked while the object is open."""

    def __init__(self, path: pathlib.Path, output: str):
        self.path = path
        self._output = output
        self._lock = None
        self._journal = None

    def __enter__(self):
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = open(self.path / "lock", "w")  # noqa: SIM115
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise UserError(
                f"{self._output}: another builder is at work on this output; "
                "wait for it, or stop it and run this again"
            ) from None
        return self

    def __exit__(self, *exc):
        if self._journal:
            self._journal.close()
        self._lock.close()  # The kernel drops the lock, also of a killed one.

    def begin(
        self, identity: dict, *, overwrite: bool, output: pathlib.Path
    ) -> None:
        """Takes up an earlier build of the same identity, or starts anew."""
        file = self.path / "identity.json"
        with contextlib.suppress(FileNotFoundError):
            try:
                before = json.loads(file.read_text())
            except ValueError:
                before = None  # Killed before it began.
            if before not in (None, identity) and not overwrite:
                raise UserError(
                    f"{self._output}: an unfinished build of other flags or "
                    f"another source is in it ({differences(before, identity)})"
                    "; finish that, choose another --output_dir, or add "
                    "--overwrite"
                )
            if before != identity or not self._complete(output):
                self._clear()
        temp = self.path / "identity.tmp"
        temp.write_text(json.dumps(identity, ensure_ascii=False))
        os.replace(temp, file)
        self._open_journal()

    def done_ranges(self) -> dict[RowRange, int]:
        """Returns the ranges in place, and where in `images` each begins."""
        return {
            RowRange(*map(int, words[1:6])): int(words[6])
            for words in self._lines()
            if words[0] == "range"
        }

    def done_shards(self) -> dict[str, str]:
        """Returns name -> SHA-256 of the shards that were finished."""
        return {w[1]: w[2] for w in self._lines() if w[0] == "shard"}

    def range_done(self, rows: RowRange, offset: int = 0) -> None:
        numbers = [*dataclasses.astuple(rows), offset]
        self._add(f"range {' '.join(map(str, numbers))}")

    def shard_done(self, name: str, sha256: str) -> None:
        self._add(f"shard {name} {sha256}")

    def remove(self) -> None:
        """Removes the folder; the dataset is whole."""
        shutil.rmtree(self.path)

    def _complete(self, output: pathlib.Path) -> bool:
        """Whether every finished shard still lies in one of its two places."""
        with contextlib.suppress(FileNotFoundError):
            return all(
                (self.path / name).exists() or (output / name).exists()
                for name in self.done_shards()
            )
        return True

    def _clear(self) -> None:
        """Empties the folder, the identity first, the lock never."""
        (self.path / "identity.json").unlink(missing_ok=True)
        for file in self.path.iterdir():
            if file.name != "lock":
                file.unlink()

    def _open_journal(self) -> None:
        path = self.path / "journal"
        if path.exists():
            # A last line without its end was being written at a kill.
            data = path.read_bytes()
            whole = data[: data.rfind(b"\n") + 1]
            if len(whole) < len(data):
                os.truncate(path, len(whole))
        self._journal = open(path, "ab", buffering=0)  # noqa: SIM115

    def _add(self, line: str) -> None:
        self._journal.write(line.encode() + b"\n")

    def _lines(self) -> list[list[str]]:
        text = (self.path / "journal").read_text()
        return [line.split() for line in text.splitlines() if line]


def differences(before: dict, now: dict) -> str:
    """Tells which fields of two builds differ."""
    told = []
    for key in sorted({*before, *now}):
        old, new = before.get(key), now.get(key)
        if old == new:
            continue
        if isinstance(old, str | int | float) and isinstance(
            new, str | int | float
        ):
            told.append(f"{key} was {old}, is {new}")
        else:
            told.append(f"other {key}")
    return ", ".join(told) or "nothing"
