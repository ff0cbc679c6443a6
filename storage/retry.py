"""Tries again what a mount or a network failed at for a moment."""

import errno
import time
from collections.abc import Callable
from typing import TypeVar

from absl import logging

# What Drive's mount and network disks give for a moment: 5 and 107 above all.
TRANSIENT = {
    errno.EIO,
    errno.ENOTCONN,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.EREMOTEIO,
    errno.ECONNRESET,
}
ATTEMPTS = 6
_FIRST_WAIT = 1.0  # Seconds; doubled each time: 31 s in all.
_T = TypeVar("_T")


def retry(work: Callable[[], _T], what: str) -> _T:
    """Returns `work()`, tried up to 6 times while it fails transiently.

    Args:
        work: May be called again after an OSError.
        what: What it does and where, for the log.

    Raises:
        OSError: The last one, or the first that another try cannot help.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return work()
        except OSError as error:
            if error.errno not in TRANSIENT or attempt == ATTEMPTS:
                raise
            wait = _FIRST_WAIT * 2 ** (attempt - 1)
            logging.warning(
                "%s failed (%s); try %d of %d in %.0f s",
                what,
                error,
                attempt + 1,
                ATTEMPTS,
                wait,
            )
            time.sleep(wait)
    raise AssertionError("unreachable")
