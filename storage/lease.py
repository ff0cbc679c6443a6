"""One process at a time owns a folder: a trainer its backups, a builder a set.

The owner's lease names its machine, process and leg (the number of the start),
and a beat that counts up while it lives. A lease of this very machine is
decided by its process: alive, the folder is refused; gone, it is taken over at
once. A lease of another machine cannot be decided that way: it is watched for
up to a minute, and refused only if it or the owner's files moved meanwhile.

  FOLDER/lease/beat-00.json … beat-11.json, each overwritten in turn

One file alone would not do: a mount that uploads a file some time after its
last change would never upload one that changes more often than that. Twelve
in turn leave each three minutes of rest, and nothing in Drive's trash.
"""

import contextlib
import dataclasses
import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from absl import logging

from storage import processes, urls
from storage.errors import UserError
from storage.folder import Folder

RENEW_SECONDS = 15.0
WATCH_SECONDS = 60.0
_POLL_SECONDS = 1.0
_FILES = 12
_Beat = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Owner:
    """What errors call the owner of a folder.

    Attributes:
        name: "trainer".
        activity: "training".
        flag: The flag that names the folder.
    """

    name: str
    activity: str
    flag: str


def no_signs() -> dict[str, int]:
    """Returns the signs of life of an owner that leaves none but its beats."""
    return {}


class Lease:
    """The claim of one process on a folder.

    Looks at the lease that is there when it is made, so that a wait for it
    can go on while other work is done. Writes nothing before acquire().

    Args:
        folder: The folder.
        owner: What errors call this and the other owners.
        signs_of_life: Returns, by name, the legs that wrote the files which
            owners add while they live. A new file of the last leg shows that
            it lives, and the next leg is higher than all of them.
        extra: Values for the next owner to read.

    Attributes:
        leg: Set by acquire(): the number of this start, from 1.
    """

    def __init__(
        self,
        folder: Folder,
        owner: Owner,
        *,
        signs_of_life: Callable[[], Mapping[str, int]] = no_signs,
        extra: Mapping[str, str] | None = None,
    ):
        self.url = folder.url
        self.folder = urls.open_folder(f"{folder.url.rstrip('/')}/lease")
        self.leg = 0
        self._owner = owner
        self._signs_of_life = signs_of_life
        self._extra = {"extra": dict(extra)} if extra else {}
        self._beat = 0
        self._seen = self._newest()
        self._seen_at = time.monotonic()
        self._seen_signs = dict(signs_of_life())

    def refuse_if_held_here(self) -> None:
        """Refuses if a live process of this machine owns the folder.

        Raises:
            UserError: Names the process.
        """
        holder = self._seen
        if _is_live(holder) and holder["machine"] == processes.machine_id():
            self._refuse(holder, f"process {holder['pid']} of this machine")

    def acquire(
        self, check: Callable[[Mapping[str, str]], None] | None = None
    ) -> None:
        """Takes the folder over, or refuses.

        Args:
            check: Called with the last owner's extra values, once that owner
                is gone; may raise to refuse.

        Raises:
            UserError: Another process owns it.
        """
        now = self._newest()
        if not _is_live(self._seen) and now is not None:
            self._seen, self._seen_at = now, time.monotonic()
        self.refuse_if_held_here()
        if _is_live(self._seen):
            self._watch()
        last = self._seen or {}
        if check and last:
            check(last.get("extra", {}))
        legs = {*self._signs_of_life().values(), *self._seen_signs.values()}
        self.leg = 1 + max(*legs, last.get("leg", 0), 0)
        self.folder.make()
        self.renew()

    def lost_to(self) -> str | None:
        """Returns who took the folder over since, or took it just as this did.

        Of two that start in the same moment, one is named to the other.
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
        beat = self._beat_now() | {"released": released} | self._extra
        name = f"beat-{self._beat % _FILES:02d}.json"
        data = json.dumps(beat).encode()
        if self.folder.path is None:
            self.folder.replace(name, data)
        else:
            # In place: a rename over it would leave the old one in the trash.
            (self.folder.path / name).write_bytes(data)
        self._beat += 1

    def exists(self) -> bool:
        """Returns whether any beat is there; another owner may remove all."""
        return self._newest() is not None

    def release(self) -> None:
        """Says that this process no longer owns the folder."""
        self.renew(released=True)

    def remove(self) -> None:
        """Removes all that this and earlier owners' leases have left."""
        for name in self.folder.list():
            if name.startswith("beat-"):
                self.folder.delete(name)
        if self.folder.path is not None:
            with contextlib.suppress(OSError):  # Not there, or not only ours.
                self.folder.path.rmdir()

    def _beat_now(self) -> _Beat:
        return {
            "machine": processes.machine_id(),
            "pid": os.getpid(),
            "start": processes.process_start(os.getpid()),
            "leg": self.leg,
            "beat": self._beat,
        }

    def _watch(self) -> None:
        """Returns when the other machine's lease is surely a dead one's."""
        leg, beat = _count(self._seen)
        logging.info(
            "%s: another machine was %s into it; watching for %.0f s whether "
            "it still is",
            self.url,
            self._owner.activity,
            WATCH_SECONDS,
        )
        while time.monotonic() - self._seen_at < WATCH_SECONDS:
            now = self._newest()
            signs = self._signs_of_life()
            new = [
                signs[name] for name in signs.keys() - self._seen_signs.keys()
            ]
            if not _is_live(now):
                return
            if _count(now) > (leg, beat) or any(k >= leg for k in new):
                self._refuse(now, f"a {self._owner.name} on another machine")
            time.sleep(_POLL_SECONDS)

    def _refuse(self, holder: _Beat, who: str) -> NoReturn:
        raise UserError(
            f"{self.url} is in use: {who} is {self._owner.activity} into it "
            f"(leg {holder['leg']}). Wait for it, stop it, or give another "
            f"{self._owner.flag}"
        )

    def _newest(self) -> _Beat | None:
        """Returns the newest beat; None if there is none."""
        beats = []
        for name in self.folder.list():
            try:
                beat = json.loads(self.folder.read_bytes(name))
                _count(beat), beat["machine"], beat["pid"], beat["start"]
            except UserError:
                raise
            except (FileNotFoundError, ValueError, KeyError, TypeError):
                continue  # Half written, or not ours.
            beats.append(beat)
        return max(beats, key=_count, default=None)


def _count(beat: _Beat) -> tuple[int, int]:
    """Returns what grows with every beat."""
    return int(beat["leg"]), int(beat["beat"])


def _is_live(beat: _Beat | None) -> bool:
    """Whether a beat's owner may be alive, as far as this machine knows."""
    if beat is None or beat.get("released"):
        return False
    if beat["machine"] != processes.machine_id():
        return True
    return processes.process_start(beat["pid"]) == beat["start"]
