"""Renews a lease on a thread, for as long as the folder is this process's."""

import threading

from absl import logging

from storage import lease
from storage.errors import UserError
from storage.lease import Lease
from storage.mount_guard import MountGuard

_EXIT_WAIT_SECONDS = 10.0


class Heartbeat:
    """Beats between start() and stop().

    Args:
        lease: Renewed, until another process has taken the folder over.
        guard: Checks whether the folder's mount is still there, before each
            beat; None where that does not matter.

    Attributes:
        lost_to: Who took the folder over.
    """

    def __init__(self, lease: Lease, guard: MountGuard | None = None):
        self.lost_to: str | None = None
        self._lease = lease
        self._guard = guard
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Beats no more, and releases the lease, if it was acquired."""
        self._stopped.set()
        if self._thread is None:
            return
        self._thread.join(_EXIT_WAIT_SECONDS)
        if self.is_alive or self.lost_to:
            return  # Alive: hung on a dead mount, as what follows would.
        try:
            self._check_mount()
            self._lease.release()
        except (OSError, UserError) as error:
            logging.warning("The lease could not be released: %s", error)

    def _renew(self) -> None:
        first = True
        while not self._stopped.wait(lease.RENEW_SECONDS):
            try:
                self._check_mount()
                if first:
                    self.lost_to = self.lost_to or self._lease.lost_to()
                first = False
                if not self.lost_to:
                    self._lease.renew()
            except (OSError, UserError) as error:
                logging.warning("The lease was not renewed: %s", error)

    def _check_mount(self) -> None:
        if self._guard:
            self._guard.check()
