"""Reports calls of a folder that do not end, for example on a mount that hangs.

Nothing can end such a call, and the folder may answer again. So the trainer
waits for it, and logs a warning every minute.
"""

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from absl import logging

REPORT_SECONDS = 60.0
_CALLS = {
    "list": "listing its files",
    "read_bytes": "reading a file",
    "replace": "writing a file",
    "create": "writing a file",
    "upload": "writing a file",
    "upload_many": "writing files",
    "download": "reading a file",
    "move_in": "moving a file",
    "has_same_bytes": "reading a file",
    "delete": "deleting a file",
    "make": "making the folder",
}
_running: list[threading.Event] = []  # One per call, the oldest first.
_Class = TypeVar("_Class", bound=type)


@contextlib.contextmanager
def reported(url: str, what: str) -> Iterator[None]:
    """Logs a warning every minute until the body of the `with` has ended.

    If several such bodies run in the process, only the oldest is reported.

    Args:
        url: The folder.
        what: The operation on the folder, for the log.
    """
    began, ended = time.monotonic(), threading.Event()

    def report() -> None:
        while not ended.wait(REPORT_SECONDS):
            if _running[:1] == [ended]:
                logging.warning(
                    "%s: %s has not ended for %.0f s: the folder is slow or "
                    "does not answer; waiting",
                    url,
                    what,
                    time.monotonic() - began,
                )

    _running.append(ended)
    try:
        # If no thread can be started, the call is made without reports.
        with contextlib.suppress(RuntimeError):
            threading.Thread(target=report, daemon=True).start()
        yield
    finally:
        ended.set()
        _running.remove(ended)


def all_reported(folder: _Class) -> _Class:
    """Decorates a folder class: calls of its methods are reported."""
    for name, what in _CALLS.items():
        setattr(folder, name, _reported(getattr(folder, name), what))
    return folder


def _reported(method: Callable[..., Any], what: str) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Any, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        with reported(self.url, what):
            return method(self, *args, **options)

    return call
