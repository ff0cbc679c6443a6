"""Keeps two machines from building into one mount or gs:// prefix at once.

    building.json    whose build it is, and a beat that moves every 15 s

On one machine a lock on local disk does that, see staging.py. A killed build
leaves its lease: the same machine takes it over at once, since the process is
gone; another machine watches it for 45 s and takes it over if it stands still.
"""

import json
import os
import pathlib
import socket
import threading
import time

from absl import logging

from storage import Folder, UserError

NAME = "building.json"
_BEAT_SECONDS = 15.0
_WATCH_SECONDS = 45.0
_POLL_SECONDS = 5.0


class Lease:
    """Held in a `with` block by the one builder of an output folder."""

    def __init__(self, folder: Folder, build: str, *, overwrite: bool):
        """Takes nothing yet.

        Args:
            folder: The output folder.
            build: What tells this build from one of other flags or source.
            overwrite: Whether another one's remains may be thrown away.
        """
        self._folder = folder
        self._overwrite = overwrite
        self._lease = {"build": build, **_this_process(), "beat": 0}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self):
        self._folder.make()
        while True:
            try:
                self._folder.write_once(NAME, self._text())
                break
            except FileExistsError:
                self._wait_for(self._read())
                self._folder.delete(NAME)
        clear_temporaries(self._folder)
        self._thread.start()
        return self

    def __exit__(self, error, *rest):
        self._ended.set()
        self._thread.join()
        if error is None:
            self._folder.delete(NAME)

    def _wait_for(self, other: dict) -> None:
        """Returns when the other lease's builder is gone; else UserError."""
        if self._is_here(other):
            if _is_alive(other):
                raise self._refusal(other)
        else:
            logging.info(
                "%s/%s: another machine, %s, was building here; watching for "
                "%.0f s whether it still is",
                self._folder.url,
                NAME,
                other.get("host"),
                _WATCH_SECONDS,
            )
            for _ in range(round(_WATCH_SECONDS / _POLL_SECONDS)):
                time.sleep(_POLL_SECONDS)
                now = self._read()
                if now and now != other:
                    raise self._refusal(now)
        another = other and other.get("build") != self._lease["build"]
        if another and not self._overwrite:
            raise UserError(
                f"{self._folder.url}: an unfinished build of other flags or of "
                "another source is in it; finish that one, choose another "
                "--output_dir, or add --overwrite"
            )

    def _is_here(self, other: dict) -> bool:
        same = ("boot", "host")
        return not other or all(other.get(k) == self._lease[k] for k in same)

    def _refusal(self, other: dict) -> UserError:
        return UserError(
            f"{self._folder.url}: another builder is at work on this output, "
            f"process {other.get('pid')} on {other.get('host')}; wait for it, "
            "or stop it and run this again"
        )

    def _read(self) -> dict:
        """Returns the lease that lies there; {} where none is readable."""
        try:
            return dict(json.loads(self._folder.read_bytes(NAME)))
        except (FileNotFoundError, ValueError, TypeError):
            return {}

    def _text(self) -> bytes:
        return json.dumps(self._lease).encode()

    def _keep(self) -> None:
        """Moves the beat until the build has ended."""
        while not self._ended.wait(_BEAT_SECONDS):
            self._lease["beat"] += 1
            try:
                self._folder.replace(NAME, self._text())
            except (OSError, UserError) as error:
                logging.warning("%s: cannot renew the lease: %s", NAME, error)


def clear_temporaries(folder: Folder) -> None:
    """Removes what a kill within the writing of a lease leaves."""
    for name in folder.list():
        if name.startswith(f".{NAME}.") and name.endswith(".tmp"):
            folder.delete(name)


def _this_process() -> dict[str, str | int]:
    return {
        "boot": _read_text("/proc/sys/kernel/random/boot_id"),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "start": _start_of(os.getpid()),
    }


def _is_alive(lease: dict) -> bool:
    start = _start_of(lease.get("pid"))
    return bool(start) and start == lease.get("start")


def _start_of(pid: int | None) -> str:
    """Returns when a process began, so that a pid used again is told apart."""
    stat = _read_text(f"/proc/{pid}/stat")
    fields = stat.rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""


def _read_text(path: str) -> str:
    try:
        return pathlib.Path(path).read_text().strip()
    except OSError:
        return ""
