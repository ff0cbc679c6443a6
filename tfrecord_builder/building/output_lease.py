"""Prevents two machines from building into one mount or gs:// prefix at once.

On one machine a lock on local disk does that, see staging.py. The lease also
stores a digest of the build's flags and source, so that another build does not
continue it.
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
        """Owns the folder; a successful build removes its lease.

        Args:
            identity: The flags and the source of this build.
            overwrite: Whether the files of another unfinished build may be
                deleted.

        Raises:
            UserError: Another builder owns the folder, or it holds another
                build.
        """
        text = json.dumps(identity, sort_keys=True).encode()
        build = hashlib.sha256(text).hexdigest()

        def check(last: Mapping[str, str]) -> None:
            if last.get("build") != build and not overwrite:
                raise UserError(
                    f"{self._folder.url}: it holds an unfinished build with "
                    "other flags or another source; finish that build, choose "
                    "another --output_dir, or add --overwrite"
                )

        self._folder.make()
        lease = Lease(self._folder, _OWNER, extra={"build": build})
        lease.acquire(check)
        self._lease, self._heartbeat = lease, Heartbeat(lease)
        self.refuse_if_lost()  # Another may have started in the same moment.
        self._heartbeat.start()
        try:
            yield
        finally:
            self._heartbeat.stop()
            self._lease = self._heartbeat = None
        lease.remove()

    def refuse_if_lost(self) -> None:
        """Raises an error if another builder has taken over the folder.

        Raises:
            LostError: It names the builder.
        """
        if self._lease is None or self._heartbeat is None:
            return
        self._heartbeat.check()
        self._lease.refuse_if_removed()

    def remove(self) -> None:
        """Removes the lease of a build that was killed after its last step."""
        Lease(self._folder, _OWNER).remove()
