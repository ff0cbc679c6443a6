"""Decides whether the processes of earlier claims on a folder are alive.

One of this very machine is decided by its process. Any other is watched, and
is dead if neither it nor the files that owners add moved meanwhile.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping

from absl import logging

from storage.errors import UserError
from storage.folder import Folder
from storage.ownership import claims
from storage.ownership.claims import Claim
from storage.ownership.owner import Owner


@dataclasses.dataclass(frozen=True)
class Periods:
    """The times of a lease, in seconds.

    Attributes:
        renew: Between two beats.
        watch: After which a claim that has not moved is a dead process's.
        poll: Between two looks while it is watched.
    """

    renew: float = 15.0
    watch: float = 60.0
    poll: float = 1.0


PERIODS = Periods()  # The same for all processes; tests shorten them.


class Watch:
    """Looks at the claims that are there when it is made.

    Args:
        url: The folder that they are on.
        folder: The folder of their files.
        owner: What errors call the owners.
        signs_of_life: See Lease.

    Attributes:
        names: The files of claims, at the last look.
        claims: The claims, at the last look.
    """

    def __init__(
        self,
        url: str,
        folder: Folder,
        owner: Owner,
        signs_of_life: Callable[[], Mapping[str, int]],
    ) -> None:
        self.url = url
        self.names: set[str] = set()
        self.claims: list[Claim] = []
        self._folder = folder
        self._owner = owner
        self._signs_of_life = signs_of_life
        self._began = time.monotonic()
        self._first_signs = dict(signs_of_life())
        self._look()
        self._first_beats = {claim.id: claim.beat for claim in self.claims}

    def refuse_if_held_here(self) -> None:
        """Refuses if a live process of this machine has a claim.

        Raises:
            UserError: Names the process.
        """
        for claim in self.claims:
            if claim.is_alive():
                raise self._in_use(
                    f"process {claim.pid} of this machine", claim
                )

    def wait(self) -> None:
        """Returns when all claims are surely those of dead processes.

        Whatever time has passed since the first look, what is there now is
        compared with what was there then.

        Raises:
            UserError: One is alive.
        """
        announced = False
        while True:
            self._look()
            self.refuse_if_held_here()
            unknown = [c for c in self.claims if c.is_alive() is None]
            for claim in unknown:
                if self._has_moved(claim):
                    raise self._in_use(
                        f"a {self._owner.name} on another machine", claim
                    )
            waited = time.monotonic() - self._began
            if not unknown or waited >= PERIODS.watch:
                return
            if not announced:
                logging.info(
                    "%s: another machine was %s into it; watching for %.0f s "
                    "whether it still is",
                    self.url,
                    self._owner.activity,
                    PERIODS.watch - waited,
                )
            announced = True
            time.sleep(PERIODS.poll)

    def refuse_if_changed(self) -> None:
        """Refuses if there are new files of claims since the last look.

        Raises:
            UserError: There are.
        """
        if self._names() - self.names:
            raise self.started_together()

    def started_together(self) -> UserError:
        """Returns the error of two that start in the same moment."""
        return self._owner.in_use(
            self.url,
            f"another {self._owner.name} was started in the same moment",
        )

    def last_leg(self) -> int:
        """Returns the highest leg of any claim or file; 0 if none is there."""
        signs = {**self._first_signs, **self._signs_of_life()}
        return max((0, *signs.values(), *(c.leg for c in self.claims)))

    def _look(self) -> None:
        self.names = self._names()
        self.claims = claims.read(self._folder, self.names)

    def _names(self) -> set[str]:
        return set(filter(claims.is_claim, self._folder.list()))

    def _has_moved(self, claim: Claim) -> bool:
        """Whether a claim, or the files that its owner adds, moved."""
        if claim.beat > self._first_beats.get(claim.id, float("-inf")):
            return True
        last_leg = max(claim.leg for claim in self.claims)
        signs = self._signs_of_life()
        new = signs.keys() - self._first_signs.keys()
        return any(signs[name] >= last_leg for name in new)

    def _in_use(self, who: str, claim: Claim) -> UserError:
        activity = f"{who} is {self._owner.activity} into it"
        return self._owner.in_use(self.url, f"{activity} (leg {claim.leg})")
