"""The claims on a folder, as the files of its lease.

  leg-0005.json                made by the start that claims leg 5
  beat-0005-3f9a21bc-00.json   … -11.json, by the start with that token

The names alone show who claims what, because a mount may show the new content
of an overwritten file only later. Versions without tokens wrote beat-00.json …
beat-11.json for every leg.
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

_FILES = 12  # Files of beats of a claim, overwritten in turn.
_LEG = re.compile(r"leg-(\d{4,})\.json")
_BEAT = re.compile(r"beat-(\d{4,})-(\w+)-\d\d\.json")
_OLD_BEAT = re.compile(r"beat-\d\d\.json")

Id = tuple[int, str]  # Leg and token.


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """The last state of a process's claim on a folder.

    Attributes:
        leg: The number of its start.
        token: Random, different for each start; "" of a version without tokens.
        machine: Its machine; "" if its files cannot be read.
        pid: Number of its process.
        start: Start time of that process; None if it is not known.
        beat: A counter that increases while the process is alive.
        released: Whether the process has released the folder.
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
        """The name of the file of its last beat."""
        return f"beat-{self.leg:04d}-{self.token}-{self.beat % _FILES:02d}.json"

    def is_alive(self) -> bool | None:
        """Returns whether its process is alive; None if that is unknown."""
        if self.released:
            return False
        if self.machine != processes.machine_id():
            return None
        return processes.is_alive(self.pid, self.start)

    def outranks(self, other: "Claim") -> bool:
        """Returns whether this claim owns the folder rather than `other`.

        Both processes get the same result.
        """
        if self.leg != other.leg:
            return self.leg > other.leg
        if self.token and other.token:
            return self.token > other.token
        return self._process < other._process  # The rule of old versions.

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
    """Returns the name of the file of a leg; only one start can create it."""
    return f"leg-{leg:04d}.json"


def id_of(name: str) -> Id | None:
    """Returns the id of the claim of a file; None if the name shows none."""
    if match := _BEAT.fullmatch(name):
        return int(match[1]), match[2]
    if match := _LEG.fullmatch(name):
        return int(match[1]), ""
    return None


def is_claim(name: str) -> bool:
    """Returns whether a file belongs to a claim."""
    return id_of(name) is not None or bool(_OLD_BEAT.fullmatch(name))


def doubled(names: Iterable[str], *, below: float = math.inf) -> list[str]:
    """Returns copies that Drive made of files of claims.

    Args:
        names: Names of files.
        below: Only files of lower legs are returned.
    """
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
    """Returns the claims that own the folder rather than `mine`.

    Only files of higher claims are read, and files of versions without tokens.
    """
    suspects = []
    for name in folder.list():
        found = id_of(name)
        if found > mine.id if found else _OLD_BEAT.fullmatch(name):
            suspects.append(name)
    return [c for c in read(folder, suspects) if c.outranks(mine)]


def _read(folder: Folder, name: str) -> Claim | None:
    """Returns a file's claim; if it is unreadable, only leg and token."""
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
        pass  # The file is only partly written.
    found = id_of(name)
    return Claim(leg=found[0], token=found[1]) if found else None
