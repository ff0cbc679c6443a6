"""Keeps two machines from building into one mount or gs:// prefix at once.

On one machine a lock on local disk does that, see staging.py. What a build is
made of goes with its lease, so that another one does not go on from it.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping

from storage import Folder, UserError
from storage.ownership.heartbeat import Heartbeat
from storage.ownership.lease import Lease
from storage.ownership.owner import Owner

_OWNER = Owner("builder", "building", "output", "--output_dir")


class OutputLease:
    """The lease of an output folder; see storage/ownership/lease.py.

    Args:
        folder: The output folder.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._lease: Lease | None = None
        self._heartbeat: Heartbeat | None = None

    @contextlib.contextmanager
    def hold(self, identity: dict, *, overwrite: bool) -> Iterator[None]:
        """Owns the folder; a build that ends well leaves no lease behind.

        Args:
            identity: What identifies this build: its flags and its source.
            overwrite: Whether another one's remains may be thrown away.

        Raises:
            UserError: Another builder owns it, or it holds another build.
        """
        text = json.dumps(identity, sort_keys=True).encode()
        build = hashlib.sha256(text).hexdigest()

        def check(last: Mapping[str, str]) -> None:
            if last.get("build") != build and not overwrite:
                raise UserError(
                    f"{self._folder.url}: an unfinished build of other flags "
                    "or of another source is in it; finish that one, choose "
                    "another --output_dir, or add --overwrite"
                )

        self._folder.make()
        lease = Lease(self._folder, _OWNER, extra={"build": build})
        lease.acquire(check)
        self._lease, self._heartbeat = lease, Heartbeat(lease)
        self.refuse_if_lost()  # Two may have started in the same moment.
        self._heartbeat.start()
        try:
            yield
        finally:
            self._heartbeat.stop()
            self._lease = self._heartbeat = None
        lease.remove()

    def refuse_if_lost(self) -> None:
        """Refuses if another builder has taken the folder over meanwhile.

        Raises:
            LostError: Names it.
        """
        if self._lease is None or self._heartbeat is None:
            return
        self._heartbeat.check()
        self._lease.refuse_if_removed()

    def remove(self) -> None:
        """Removes what a build leaves that is killed after its last step."""
        Lease(self._folder, _OWNER).remove()
