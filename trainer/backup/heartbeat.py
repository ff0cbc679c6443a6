"""Renews a lease on a thread, for as long as the folder is this process's."""

import threading

from absl import logging

from storage import UserError
from storage.mount_guard import MountGuard
from trainer.backup import lease as lease_lib
from trainer.backup.lease import Lease

_EXIT_WAIT_SECONDS = 10.0


class Heartbeat:
    """Beats between start() and stop().

    Args:
        lease: Renewed, until another trainer has taken the folder over.
        guard: Tells whether the folder's mount is still there.

    Attributes:
        lost_to: Who took the folder over.
    """

    def __init__(self, lease: Lease, guard: MountGuard):
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
        """Beats no more, and gives back the lease, if it was taken."""
        self._stopped.set()
        if self._thread is None:
            return
        self._thread.join(_EXIT_WAIT_SECONDS)
        if self.is_alive or self.lost_to:
            return  # Alive: hung on a dead mount, as what follows would.
        try:
            self._guard.check()
            self._lease.release()
        except (OSError, UserError) as error:
            logging.warning("The lease could not be given back: %s", error)

    def _renew(self):
        first = True
        while not self._stopped.wait(lease_lib.RENEW_SECONDS):
            try:
                self._guard.check()
                if first:
                    self.lost_to = self.lost_to or self._lease.lost()
                first = False
                if not self.lost_to:
                    self._lease.renew()
            except (OSError, UserError) as error:
                logging.warning("The lease was not renewed: %s", error)
