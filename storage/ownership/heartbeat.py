"""Renews a lease on a thread, as long as this process owns the folder."""

import threading
from collections.abc import Callable

from absl import logging

from storage.errors import LostError, UserError
from storage.mount_guard import MountGuard
from storage.ownership import watch
from storage.ownership.lease import Lease

_EXIT_WAIT_SECONDS = 10.0


class Heartbeat:
    """Beats between start() and stop(), until the folder is lost.

    Args:
        lease: It is renewed until another process has taken over the folder.
        guard: Checks before each beat whether the folder is still mounted; None
            if the folder is not on a mount.
    """

    def __init__(self, lease: Lease, guard: MountGuard | None = None) -> None:
        self._lease = lease
        self._guard = guard
        self._lost = ""
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops the beats, and releases the lease if it was acquired.

        Does not wait for a mount that hangs.
        """
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(_EXIT_WAIT_SECONDS)

    def refuse_if_lost(self) -> None:
        """Raises an error if the folder is known to be lost; reads nothing.

        Raises:
            LostError: Another process owns the folder.
        """
        if self._lost:
            raise LostError(self._lost)

    def check(self) -> None:
        """Checks that this process may change the folder.

        Raises:
            LostError: Another process owns the folder.
            OSError: Its mount is gone, or does not answer.
        """
        if self._guard:
            self._guard.check()
        self.refuse_if_lost()
        try:
            self._lease.refuse_if_lost()
        except LostError as error:
            self._lost = str(error)
            raise

    def _beat(self) -> None:
        """Renews the lease until the stop, on the thread; then releases it."""
        while not self._stopped.wait(watch.PERIODS.renew):
            self._try(self._lease.renew, "renewed")
        self._try(self._lease.release, "released")

    def _try(self, act: Callable[[], None], what: str) -> None:
        try:
            self.check()
            act()
        except LostError:
            pass  # refuse_if_lost() reports it to users of the folder.
        except (OSError, UserError) as error:
            logging.warning("The lease was not %s: %s", what, error)
