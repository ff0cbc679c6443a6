"""One trainer at a time owns a backup folder.

The owner's lease names its machine, process and leg, and a beat that counts up
while it lives. A lease of this very machine is judged by its process: alive,
the folder is refused; gone, it is taken over at once. A lease of another
machine cannot be judged that way: it is watched for up to a minute, and
refused only if it or a backup moved meanwhile.

  BACKUP/lease/beat-00.json … beat-11.json, each overwritten in turn

One file alone would not do: a mount that uploads a file some time after its
last change would never upload one that changes more often than that. Twelve
in turn leave each three minutes of rest, and nothing in Drive's trash.
"""

import json
import os
import pathlib
import socket
import time

import storage
from storage import Folder, UserError
from trainer.backup.generations import Generation, Generations

RENEW_SECONDS = 15.0
WATCH_SECONDS = 60.0
_POLL_SECONDS = 1.0
_FILES = 12


class Lease:
    """The claim of one process on a backup folder.

    Looks at the lease that is there when it is made, so that a wait for it
    can go on while other work is done. Writes nothing before take().

    Args:
        folder: The backup folder.
        generations: Those in it.

    Attributes:
        leg: Set by take(): the number of this start of the run, from 1.
        known: Set by take(): generations that were there then.
    """

    def __init__(
        self,
        folder: Folder,
        generations: Generations,
    ):
        self.url = folder.url
        self.generations = generations
        self.folder = storage.open_folder(f"{folder.url.rstrip('/')}/lease")
        self.leg = 0
        self.known: set[Generation] = set()
        self._beat = 0
        self._seen = self._newest()
        self._seen_at = time.monotonic()
        self._seen_generations = set(generations.listing())

    def refuse_if_held_here(self) -> None:
        """Refuses if a live process of this machine owns the folder.

        Raises:
            storage.UserError: Names the process.
        """
        holder = self._seen
        if _is_live(holder) and holder["machine"] == machine_id():
            self._refuse(holder, f"process {holder['pid']} of this machine")

    def take(self) -> None:
        """Takes the folder over, or refuses.

        Raises:
            storage.UserError: Another trainer owns it.
        """
        now = self._newest()
        if not _is_live(self._seen) and now is not None:
            self._seen, self._seen_at = now, time.monotonic()
        self.refuse_if_held_here()
        if _is_live(self._seen):
            self._watch()
        self.known = set(self.generations.listing())
        legs = [g.leg for g in self.known | self._seen_generations]
        self.leg = 1 + max(*legs, (self._seen or {}).get("leg", 0), 0)
        self.folder.make()
        self.renew()

    def lost(self) -> str | None:
        """Returns who took the folder over since, or took it just as this did.

        Of two that start in the same moment, one is told.
        """
        other = self._newest() or self._beat_now()
        mine = self._beat_now()
        key = ("machine", "pid", "start")
        if int(other["leg"]) > self.leg or (
            int(other["leg"]) == self.leg
            and [other[k] for k in key] < [mine[k] for k in key]
        ):
            return f"process {other['pid']} on {other['machine']}"
        return None

    def renew(self, *, released: bool = False) -> None:
        """Writes the next beat, so that others see that this lives."""
        beat = self._beat_now() | {"released": released}
        name = f"beat-{self._beat % _FILES:02d}.json"
        data = json.dumps(beat).encode()
        if self.folder.path is None:
            self.folder.replace(name, data)
        else:
            # In place: a rename over it would leave the old one in the trash.
            (self.folder.path / name).write_bytes(data)
        self._beat += 1

    def release(self) -> None:
        """Gives the folder back."""
        self.renew(released=True)

    def _beat_now(self):
        return {
            "machine": machine_id(),
            "pid": os.getpid(),
            "start": process_start(os.getpid()),
            "leg": self.leg,
            "beat": self._beat,
        }

    def _watch(self):
        """Returns when the other machine's lease is surely a dead one's."""
        before = _place(self._seen)
        while time.monotonic() - self._seen_at < WATCH_SECONDS:
            now = self._newest()
            fresh = set(self.generations.listing()) - self._seen_generations
            if not _is_live(now):
                return
            if _place(now) > before or any(g.leg >= before[0] for g in fresh):
                self._refuse(now, "a trainer on another machine")
            time.sleep(_POLL_SECONDS)

    def _refuse(self, holder, who):
        raise UserError(
            f"{self.url} is in use: {who} is training into it (leg "
            f"{holder['leg']}). Wait for it, stop it, or give another "
            "--backup_dir"
        )

    def _newest(self):
        """Returns the newest beat; None if there is none."""
        beats = []
        for name in self.folder.list():
            try:
                beat = json.loads(self.folder.read_bytes(name))
                _place(beat), beat["machine"], beat["pid"], beat["start"]
            except UserError:
                raise
            except (FileNotFoundError, ValueError, KeyError, TypeError):
                continue  # Half written, or not ours.
            beats.append(beat)
        return max(beats, key=_place, default=None)


def _place(beat):
    return int(beat["leg"]), int(beat["beat"])


def _is_live(beat):
    """Whether a beat's owner may be alive, as far as this machine can tell."""
    if beat is None or beat.get("released"):
        return False
    if beat["machine"] != machine_id():
        return True
    return process_start(beat["pid"]) == beat["start"]


def machine_id() -> str:
    """Returns what tells this boot, and set of processes, from any other."""
    try:
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text()
        # Containers of one machine have process numbers of their own.
        return f"{boot.strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # No /proc, or a sandbox that hides it.
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
