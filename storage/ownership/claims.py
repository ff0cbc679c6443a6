"""The claims on a folder, as the files of its lease show them.

  leg-0005.json                made by the start that claims leg 5
  beat-0005-3f9a21bc-00.json   … -11.json, by the start with that token

The names alone show who claims what: a mount may show the content of a file
that was written over some time later. Versions without tokens wrote
beat-00.json … beat-11.json, whoever they were.
"""

import dataclasses
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from absl import logging

from storage import file_names
from storage.errors import UserError
from storage.folder import Folder
from storage.ownership import processes

_FILES = 12  # Beats of a claim, each overwritten in turn.
_LEG = re.compile(r"leg-(\d{4,})\.json")
_BEAT = re.compile(r"beat-(\d{4,})-(\w+)-\d\d\.json")
_OLD_BEAT = re.compile(r"beat-\d\d\.json")

Id = tuple[int, str]  # Leg and token.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """What a process has last written of its claim on a folder.

    Attributes:
        leg: The number of its start.
        token: Random, of this start alone; "" of a version without tokens.
        machine: Its machine; "" if its files cannot be read.
        pid: Its process.
        start: When that process was started; None if it could not know.
        beat: Counts up while it lives.
        released: Whether it has given the folder back.
        extra: Values for the next owner to read.
    """

    leg: int
    token: str
    machine: str = ""
    pid: int = 0
    start: str | None = None
    beat: int = -1
    released: bool = False
    extra: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def id(self) -> Id:
        return self.leg, self.token

    @property
    def beat_name(self) -> str:
        """The file of its last beat."""
        return f"beat-{self.leg:04d}-{self.token}-{self.beat % _FILES:02d}.json"

    def is_alive(self) -> bool | None:
        """Returns whether its process is; None if only a watch can show it."""
        if self.released:
            return False
        if self.machine != processes.machine_id():
            return None
        return processes.is_alive(self.pid, self.start)

    def outranks(self, other: "Claim") -> bool:
        """Returns whether it owns the folder, and not `other`.

        Both sides come to the same answer.
        """
        if self.leg != other.leg:
            return self.leg > other.leg
        if self.token and other.token:
            return self.token > other.token
        return self._process < other._process  # As older versions do.

    def serialize(self) -> bytes:
        """Returns the content of a file of this claim."""
        values = dataclasses.asdict(self)
        if not values["extra"]:
            del values["extra"]
        return json.dumps(values).encode()

    @property
    def _process(self) -> tuple[str, int, str]:
        return self.machine, self.pid, self.start or ""


def leg_name(leg: int) -> str:
    """Returns the name of the file that one start alone can make."""
    return f"leg-{leg:04d}.json"


def id_of(name: str) -> Id | None:
    """Returns whose claim a file belongs to, if its name shows it."""
    if match := _BEAT.fullmatch(name):
        return int(match[1]), match[2]
    if match := _LEG.fullmatch(name):
        return int(match[1]), ""
    return None


def is_claim(name: str) -> bool:
    """Returns whether a file belongs to a claim."""
    return id_of(name) is not None or bool(_OLD_BEAT.fullmatch(name))


def doubled(names: Iterable[str], *, below: float = math.inf) -> list[str]:
    """Returns the files that Drive doubled of claims on legs below one."""
    found = []
    for name in names:
        claim = id_of(file_names.original(name) or "")
        if claim and claim[0] < below:
            found.append(name)
    return found


def read(folder: Folder, names: Iterable[str]) -> list[Claim]:
    """Returns the newest state of each claim that has one of these files."""
    newest: dict[Id, Claim] = {}
    for name in filter(is_claim, names):
        claim = _read(folder, name)
        if claim and (
            claim.id not in newest or claim.beat > newest[claim.id].beat
        ):
            newest[claim.id] = claim
    return list(newest.values())


def rivals(folder: Folder, mine: Claim) -> list[Claim]:
    """Returns the claims that own the folder rather than `mine` does.

    Of files with tokens only theirs are read.
    """
    suspects = []
    for name in folder.list():
        found = id_of(name)
        if found > mine.id if found else _OLD_BEAT.fullmatch(name):
            suspects.append(name)
    return [c for c in read(folder, suspects) if c.outranks(mine)]


def _read(folder: Folder, name: str) -> Claim | None:
    """Returns a file's claim; an unreadable one is known by its name alone."""
    try:
        values: dict[str, Any] = json.loads(folder.read_bytes(name))
        return Claim(
            leg=int(values["leg"]),
            token=str(values.get("token", "")),
            machine=str(values["machine"]),
            pid=int(values["pid"]),
            start=values["start"],
            beat=int(values["beat"]),
            released=bool(values.get("released")),
            extra=values.get("extra", {}),
        )
    except FileNotFoundError:
        return None
    except UserError:
        raise
    except OSError as error:
        logging.warning("%s/%s cannot be read: %s", folder.url, name, error)
    except (ValueError, KeyError, TypeError, AttributeError):
        pass  # Half written.
    found = id_of(name)
    return Claim(leg=found[0], token=found[1]) if found else None
