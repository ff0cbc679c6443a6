"""Decides whether the processes of earlier claims on a folder are alive.

If the process is of this machine, the machine knows. Any other process is
watched for a while. It is dead if its beats did not change and its owner added
no file in that time.
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
        watch: A claim without a change for this long is of a dead process.
        poll: Between two checks while claims are watched.
    """

    renew: float = 15.0
    watch: float = 60.0
    poll: float = 1.0


PERIODS = Periods()  # The same for all processes; tests shorten them.


class Watch:
    """Watches the claims that exist when it is created.

    Args:
        url: The folder that they claim.
        folder: The folder of their files.
        owner: The words of error messages for the owners.
        signs_of_life: See Lease.

    Attributes:
        names: The files of claims, at the last check.
        claims: The claims, at the last check.
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
        """Raises an error if a live process of this machine has a claim.

        Raises:
            UserError: It names the process.
        """
        for claim in self.claims:
            if claim.is_alive():
                raise self._in_use(
                    f"process {claim.pid} of this machine", claim
                )

    def wait(self) -> None:
        """Returns when the processes of all claims are certainly dead.

        It compares the present claims with those at the creation of this
        object. So the time between counts as watching time.

        Raises:
            UserError: One of the processes is alive.
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
                    "%s: another machine was %s with it; watching for %.0f s "
                    "whether it still is",
                    self.url,
                    self._owner.activity,
                    PERIODS.watch - waited,
                )
            announced = True
            time.sleep(PERIODS.poll)

    def refuse_if_changed(self) -> None:
        """Raises an error if there are new files of claims.

        Raises:
            UserError: There are new files.
        """
        if self._names() - self.names:
            raise self.started_together()

    def started_together(self) -> UserError:
        """Returns the error for two starts in the same moment."""
        return self._owner.in_use(
            self.url,
            f"another {self._owner.name} was started in the same moment",
        )

    def last_leg(self) -> int:
        """Returns the highest leg of any claim or file; 0 if there is none."""
        signs = {**self._first_signs, **self._signs_of_life()}
        return max((0, *signs.values(), *(c.leg for c in self.claims)))

    def _look(self) -> None:
        self.names = self._names()
        self.claims = claims.read(self._folder, self.names)

    def _names(self) -> set[str]:
        return set(filter(claims.is_claim, self._folder.list()))

    def _has_moved(self, claim: Claim) -> bool:
        """Returns whether a claim has a new beat, or its owner added a file."""
        if claim.beat > self._first_beats.get(claim.id, float("-inf")):
            return True
        last_leg = max(claim.leg for claim in self.claims)
        signs = self._signs_of_life()
        new = signs.keys() - self._first_signs.keys()
        return any(signs[name] >= last_leg for name in new)

    def _in_use(self, who: str, claim: Claim) -> UserError:
        activity = f"{who} is {self._owner.activity} with it"
        return self._owner.in_use(self.url, f"{activity} (leg {claim.leg})")
