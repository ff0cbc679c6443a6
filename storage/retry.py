"""Repeats operations on a mount or a network that failed temporarily.

This is the project's only retry loop. If one retry runs inside another, it does
not repeat an error that the outer one handles, so that the waits do not
multiply.
"""

import contextvars
import errno
import time
from collections.abc import Callable
from typing import TypeVar

from absl import logging

from storage.errors import GaveUpError

# Errors of Drive's mount and of network disks that go away, mostly 5 and 107.
TRANSIENT = {
    errno.EIO,
    errno.ENOTCONN,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.EREMOTEIO,
    errno.ECONNRESET,
}
ATTEMPTS = 6
_FIRST_WAIT = 1.0  # Seconds; doubled each time, 31 s in total.
_T = TypeVar("_T")
_Handles = Callable[[Exception], bool]
_outer: contextvars.ContextVar[tuple[_Handles, ...]] = contextvars.ContextVar(
    "outer", default=()
)


def is_transient(error: Exception) -> bool:
    """Returns whether this error of a mount often disappears after a while."""
    return isinstance(error, OSError) and error.errno in TRANSIENT


def is_os_error(error: Exception) -> bool:
    """Returns whether this is an OSError: any failure of a folder."""
    return isinstance(error, OSError)


def retry(
    work: Callable[[], _T],
    what: str,
    *,
    handles: Callable[[Exception], bool] = is_transient,
    attempts: int = ATTEMPTS,
) -> _T:
    """Returns `work()`, repeated several times after transient errors.

    Args:
        work: The function; it may be called again after an error.
        what: A description of the operation and its target, for the log.
        handles: Returns whether another try may help after an error. After a
            GaveUpError there is no other try.
        attempts: Number of tries. The waits between 6 tries last 31 s.

    Raises:
        Exception: The error of the last try, or the first that `handles`
            rejects.
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
