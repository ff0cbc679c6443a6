"""The claim of a process on a folder.

A start watches the earlier claims (watch.py). When none can be alive, it
claims the next leg (the number of the start), and beats while it lives:

  FOLDER/lease/leg-0005.json               made by one start alone
  FOLDER/lease/beat-0005-3f9a21bc-00.json  … -11.json, each overwritten in turn

On local disk and on gs:// only one of two starts can make the file of a leg.
A mount shows files late, so that two may claim one leg there; and a process
that was paused may have been replaced. So an owner looks again with each beat
and before it changes the folder's files: the highest leg owns the folder, of
two equal ones the greater token. Every other claim's process stops.

One beat file alone would not do: a mount that uploads a file some time after
its last change would never upload one that changes more often than that.
Twelve in turn leave each three minutes of rest, and nothing in Drive's trash.
"""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterable, Mapping

from absl import logging

from storage import retry, urls
from storage.errors import UserError
from storage.folder import Folder
from storage.ownership import claims, processes
from storage.ownership.claims import Claim
from storage.ownership.owner import Owner
from storage.ownership.watch import Watch


def no_signs() -> dict[str, int]:
    """Returns the signs of life of an owner that leaves none but its beats."""
    return {}


class Lease:
    """The claim of this process on a folder.

    Looks at the earlier claims when it is made, so that a wait for them can
    go on while other work is done. Writes nothing before acquire().

    Args:
        folder: The folder.
        owner: What errors call this and the other owners.
        signs_of_life: Returns, by name, the legs that wrote the files which
            owners add while they live. A new file of the last leg shows that
            it lives, and the next leg is higher than all of them.
        extra: Values for the next owner to read.

    Attributes:
        leg: Set by acquire(): the number of this start, from 1.
        token: Random, of this start alone.
        extra: What the next beats hold for the next owner.
    """

    def __init__(
        self,
        folder: Folder,
        owner: Owner,
        *,
        signs_of_life: Callable[[], Mapping[str, int]] = no_signs,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        self.url = folder.url
        self.folder = urls.open_folder(f"{folder.url.rstrip('/')}/lease")
        self.leg = 0
        self.token = secrets.token_hex(4)
        self._owner = owner
        self._signs_of_life = signs_of_life
        self.extra = dict(extra or {})
        self._beat = 0
        self._watch = Watch(self.url, self.folder, owner, signs_of_life)

    @property
    def last_extra(self) -> Mapping[str, str]:
        """The extra values of the last owner that was seen."""
        last = self._last_claim()
        return last.extra if last else {}

    def describe_holder(self) -> str:
        """Returns who owns the folder, as far as this machine knows."""
        for claim in self._watch.claims:
            if claim.is_alive():
                return f"process {claim.pid} of this machine (leg {claim.leg})"
        for claim in self._watch.claims:
            if claim.is_alive() is None:
                return (
                    f"another machine (leg {claim.leg}), if it is still alive"
                )
        return "nobody"

    def refuse_if_held_here(self) -> None:
        """Refuses if a live process of this machine owns the folder.

        Raises:
            UserError: Names the process.
        """
        self._watch.refuse_if_held_here()

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
        self._watch.wait()
        if check and (last := self._last_claim()):
            check(last.extra)
        self.folder.make()
        self._claim_leg()
        self.renew()
        doubled = claims.doubled(self.folder.list(), below=self.leg)
        self._remove((*self._watch.names, *doubled))
        self.refuse_if_lost()

    def refuse_if_lost(self) -> None:
        """Looks whether this process still owns the folder.

        Raises:
            LostError: Another process owns it.
        """
        for rival in claims.rivals(self.folder, self._claim()):
            who = f"another {self._owner.name}"
            if rival.machine:
                who = f"process {rival.pid} on {rival.machine}"
            raise self._owner.lost(self.url, f"{who} (leg {rival.leg})")
        leg = max(self._signs_of_life().values(), default=0)
        if leg > self.leg:
            who = f"another {self._owner.name} (leg {leg})"
            raise self._owner.lost(self.url, who)

    def refuse_if_removed(self) -> None:
        """Looks whether another owner has ended since, and removed the lease.

        Raises:
            LostError: It has.
        """
        if claims.leg_name(self.leg) not in self.folder.list():
            who = f"another {self._owner.name}, which has ended since"
            raise self._owner.lost(self.url, who)

    def renew(self, *, released: bool = False) -> None:
        """Writes the next beat, so that others see that this lives."""
        claim = self._claim(released=released)
        data = claim.serialize()
        if self.folder.path is None:
            self.folder.replace(claim.beat_name, data)
        else:
            # In place: a rename over it would leave the old one in the trash.
            (self.folder.path / claim.beat_name).write_bytes(data)
        self._beat += 1

    def release(self) -> None:
        """Shows that this process no longer owns the folder."""
        self.renew(released=True)

    def remove(self) -> None:
        """Removes all that this and earlier owners' leases have left."""
        names = self.folder.list()
        claimed = filter(claims.is_claim, names)
        for name in (*claimed, *claims.doubled(names)):
            self.folder.delete(name)
        if self.folder.path is not None:
            with contextlib.suppress(OSError):  # Not there, or not only ours.
                self.folder.path.rmdir()

    def _last_claim(self) -> Claim | None:
        """Returns the newest claim of another process that can be read."""
        readable = [claim for claim in self._watch.claims if claim.machine]
        return max(readable, key=lambda claim: claim.leg, default=None)

    def _claim(self, *, released: bool = False) -> Claim:
        return Claim(
            leg=self.leg,
            token=self.token,
            machine=processes.machine_id(),
            pid=os.getpid(),
            start=processes.process_start(os.getpid()),
            beat=self._beat,
            released=released,
            extra=dict(self.extra),
        )

    def _claim_leg(self) -> None:
        """Claims the next leg, unless another process has claimed it.

        Raises:
            UserError: Another one has.
        """
        self.leg = self._watch.last_leg()

        def create() -> None:
            # A try that failed may have left the file of its leg.
            self.leg += 1
            name = claims.leg_name(self.leg)
            self.folder.create(name, self._claim().serialize())

        self._watch.refuse_if_changed()
        try:
            retry.retry(create, f"{self.folder.url}: claiming a leg")
        except FileExistsError:
            raise self._watch.started_together() from None

    def _remove(self, names: Iterable[str]) -> None:
        """Removes files of earlier claims; those that cannot be go on."""
        for name in names:
            try:
                self.folder.delete(name)
            except (OSError, UserError) as error:
                logging.warning("%s/%s stays: %s", self.folder.url, name, error)
