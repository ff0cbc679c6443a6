"""Tries again what a mount or a network failed at for a moment.

This is the only loop of its kind. Where one retry runs within another, an error
that the outer one handles is left to it, so that waits never multiply.
"""

import contextvars
import errno
import time
from collections.abc import Callable
from typing import TypeVar

from absl import logging

from storage.errors import GaveUpError

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
_Handles = Callable[[Exception], bool]
_outer: contextvars.ContextVar[tuple[_Handles, ...]] = contextvars.ContextVar(
    "outer", default=()
)


def is_transient(error: Exception) -> bool:
    """Returns whether a mount often gives this error for a moment only."""
    return isinstance(error, OSError) and error.errno in TRANSIENT


def is_os_error(error: Exception) -> bool:
    """Returns whether a folder failed, for whatever reason."""
    return isinstance(error, OSError)


def retry(
    work: Callable[[], _T],
    what: str,
    *,
    handles: Callable[[Exception], bool] = is_transient,
    attempts: int = ATTEMPTS,
) -> _T:
    """Returns `work()`, tried several times while it fails transiently.

    Args:
        work: May be called again after an error.
        what: What it does and where, for the log.
        handles: Whether another try may help after an error. It never does
            after a GaveUpError.
        attempts: Tries in all. The waits between 6 of them last 31 s.

    Raises:
        Exception: The last one, or the first that another try cannot help.
    """
    outer = _outer.get()
    token = _outer.set((*outer, handles))
    try:
        for attempt in range(1, attempts + 1):
            try:
                return work()
            except Exception as error:
                hopeless = isinstance(error, GaveUpError) or not handles(error)
                outer_retries = any(
                    outer_handles(error) for outer_handles in outer
                )
                if hopeless or outer_retries or attempt == attempts:
                    raise
                wait = _FIRST_WAIT * 2 ** (attempt - 1)
                logging.warning(
                    "%s failed (%s); try %d of %d in %.0f s",
                    what,
                    error,
                    attempt + 1,
                    attempts,
                    wait,
                )
                time.sleep(wait)
    finally:
        _outer.reset(token)
    raise AssertionError("unreachable")
