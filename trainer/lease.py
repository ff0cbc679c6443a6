"""One trainer at a time owns a backup folder.

The owner's lease names its machine boot, process and leg, and is renewed while
it lives. A lease of this very boot is judged by its process: alive, the folder
is refused; gone, it is taken over at once. A lease of another machine cannot
be judged that way: it is watched for up to a minute, and refused only if it or
a backup of its leg moved meanwhile.
"""

import json
import os
import pathlib
import socket
import time

import storage
from trainer import generations

_NAME = "lease.json"
_WATCH_SECONDS = 60.0
_POLL_SECONDS = 2.0
RENEW_SECONDS = 15.0


class Lease:
    """The claim of one process on a backup folder.

    Args:
        folder: The backup folder.
        leg: Set by take(): the number of this start of the run, from 1.
    """

    def __init__(self, folder: storage.Folder):
        self.folder = folder
        self.leg = 0
        self._beat = 0
        self._seen = self._read()
        self._seen_at = time.monotonic()
        self._seen_generations = set(generations.listing(folder))

    def take(self) -> None:
        """Takes the folder over, or refuses.

        Raises:
            storage.UserError: Another trainer owns it.
        """
        holder = self._seen
        if holder and holder.get("boot") == boot_id():
            if process_start(holder["pid"]) == holder["start"]:
                self._refuse(f"process {holder['pid']} on this machine")
        elif holder:
            self._watch()
        found = set(generations.listing(self.folder)) | self._seen_generations
        legs = [g.leg for g in found] + [int((holder or {}).get("leg", 0))]
        self.leg = 1 + max(legs, default=0)
        self.renew()

    def renew(self) -> None:
        """Writes the lease anew, so that others see that it lives."""
        self._beat += 1
        lease = {
            "boot": boot_id(),
            "pid": os.getpid(),
            "start": process_start(os.getpid()),
            "leg": self.leg,
            "beat": self._beat,
        }
        self.folder.replace(_NAME, json.dumps(lease).encode())

    def release(self) -> None:
        """Gives the folder back."""
        self.folder.delete(_NAME)

    def _watch(self):
        while time.monotonic() - self._seen_at < _WATCH_SECONDS:
            fresh = set(generations.listing(self.folder))
            moved = [
                g
                for g in fresh - self._seen_generations
                if g.leg == self._seen.get("leg")
            ]
            now = self._read()
            if now is None:
                return
            if now != self._seen or moved:
                self._refuse("a trainer on another machine")
            time.sleep(_POLL_SECONDS)

    def _refuse(self, who):
        raise storage.UserError(
            f"{self.folder.url} is in use: {who} is training into it (leg "
            f"{self._seen.get('leg')}). Wait for it, stop it, or give another "
            "--backup_dir"
        )

    def _read(self):
        try:
            lease = json.loads(self.folder.read_bytes(_NAME))
        except (OSError, ValueError):
            return None
        return lease if isinstance(lease, dict) else None


def boot_id() -> str:
    """Returns what tells this boot of this machine from any other."""
    path = pathlib.Path("/proc/sys/kernel/random/boot_id")
    try:
        return path.read_text().strip()
    except OSError:  # Some sandboxes hide it.
        return f"host {socket.gethostname()}"


def process_start(pid: int) -> str | None:
    """Returns a process's start time in clock ticks; None if it is gone."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in parentheses may hold spaces; the start is field 22.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]
