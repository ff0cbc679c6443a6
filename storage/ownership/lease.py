"""The claim of a process on a folder.

A start first watches the earlier claims (watch.py). When none of their
processes can be alive, it claims the next leg (the number of the start), and
writes beats as long as it is alive:

  FOLDER/lease/leg-0005.json               only one start can create it
  FOLDER/lease/beat-0005-3f9a21bc-00.json  … -11.json, overwritten in turn

On local disk and on gs:// only one of two starts can create the file of a leg.
On a mount two starts may claim one leg, because it shows files late; and a
process that was paused may have been replaced. So an owner checks with each
beat, and before it changes the folder's files: the highest leg owns the folder;
of two equal legs, the greater token does. The processes of all other claims
stop.

One file for all beats would not be enough: a mount that uploads a file some
time after its last change would never upload a file that changes more often.
With twelve files each one stays unchanged for three minutes, and none of them
goes to Drive's trash.
"""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterable, Mapping

from absl import logging

from storage import hangs, retry, urls
from storage.errors import UserError
from storage.folder import Folder
from storage.ownership import claims, processes
from storage.ownership.claims import Claim
from storage.ownership.owner import Owner
from storage.ownership.watch import Watch


def no_signs() -> dict[str, int]:
    """Returns no files: for owners that write nothing but beats."""
    return {}


class Lease:
    """The claim of this process on a folder.

    The constructor reads the earlier claims, so that the time of waiting for
    them can be used for other work. Nothing is written before acquire().

    Args:
        folder: The folder.
        owner: The words of error messages for this and the other owners.
        signs_of_life: Returns the files that owners add while they are alive:
            the leg of each, by name. A new file of the last leg shows that its
            owner is alive. The next leg is higher than all of them.
        extra: Values for the next owner to read.

    Attributes:
        leg: The number of this start, from 1; set by acquire().
        token: Random, different for each start.
        extra: Values that the next beats store for the next owner.
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
        """The extra values of the last owner that was found."""
        last = self._last_claim()
        return last.extra if last else {}

    def describe_holder(self) -> str:
        """Returns a text about the owner, as far as this machine knows it."""
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
        """Raises an error if a live process of this machine owns the folder.

        Raises:
            UserError: It names the process.
        """
        self._watch.refuse_if_held_here()

    def acquire(
        self, check: Callable[[Mapping[str, str]], None] | None = None
    ) -> None:
        """Acquires the folder.

        Args:
            check: Called with the last owner's extra values when that owner is
                gone; it may raise an error to stop.

        Raises:
            UserError: Another process owns the folder.
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
        """Checks that this process still owns the folder.

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
        """Checks that no later owner has ended and removed the lease.

        Raises:
            LostError: A later owner has removed the lease.
        """
        if claims.leg_name(self.leg) not in self.folder.list():
            who = f"another {self._owner.name}, which has ended since"
            raise self._owner.lost(self.url, who)

    def renew(self, *, released: bool = False) -> None:
        """Writes the next beat, which shows that this process is alive."""
        claim = self._claim(released=released)
        data = claim.serialize()
        if self.folder.path is None:
            self.folder.replace(claim.beat_name, data)
        else:
            # Overwrite it: a rename would leave the old file in Drive's trash.
            with hangs.reported(self.url, "renewing the lease"):
                (self.folder.path / claim.beat_name).write_bytes(data)
        self._beat += 1

    def release(self) -> None:
        """Records that this process no longer owns the folder."""
        self.renew(released=True)

    def remove(self) -> None:
        """Removes all files of the leases of this and of earlier owners."""
        names = self.folder.list()
        claimed = filter(claims.is_claim, names)
        for name in (*claimed, *claims.doubled(names)):
            self.folder.delete(name)
        if self.folder.path is not None:
            with contextlib.suppress(OSError):  # Missing, or not empty.
                self.folder.path.rmdir()

    def _last_claim(self) -> Claim | None:
        """Returns the newest readable claim of another process."""
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
            UserError: Another process has claimed it.
        """
        self.leg = self._watch.last_leg()

        def create() -> None:
            # A failed try may have created the file of its leg.
            self.leg += 1
            name = claims.leg_name(self.leg)
            self.folder.create(name, self._claim().serialize())

        self._watch.refuse_if_changed()
        try:
            retry.retry(create, f"{self.folder.url}: claiming a leg")
        except FileExistsError:
            raise self._watch.started_together() from None

    def _remove(self, names: Iterable[str]) -> None:
        """Removes files of earlier claims, as far as that succeeds."""
        for name in names:
            try:
                self.folder.delete(name)
            except (OSError, UserError) as error:
                logging.warning(
                    "%s/%s is not removed: %s", self.folder.url, name, error
                )
