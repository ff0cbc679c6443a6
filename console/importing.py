"""The seconds in which a command imports what it needs."""

import os
import signal
import sys
from types import TracebackType

from console import errors
from console.progress import Progress


class Importing:
    """Shows that a command imports, and ends it in one line at a Ctrl-C.

    The imports are statements of the command's file, so this cannot be a
    `with` block around them: `close` ends it.
    """

    def __init__(self, what: str) -> None:
        """Begins.

        Args:
            what: The slowest package of the imports.
        """
        self._progress = Progress(f"importing {what}")
        self._excepthook, sys.excepthook = sys.excepthook, self._fail
        self._signal_handler = signal.getsignal(signal.SIGINT)
        if self._signal_handler is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._interrupt)

    def close(self) -> None:
        """Takes the display away; from here on Ctrl-C is as it was."""
        signal.signal(signal.SIGINT, self._signal_handler)
        sys.excepthook = self._excepthook
        self._progress.close()

    def _interrupt(self, *_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # For a second Ctrl-C.
        # Not close(): the display's thread may wait for a lock that the
        # interrupted code holds.
        # An exception would be caught, or reported as an ImportError, by
        # packages that try imports.
        os._exit(errors.fail(errors.INTERRUPTED))

    def _fail(
        self,
        kind: type[BaseException],
        error: BaseException,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.close()  # The traceback starts on a line of its own.
        self._excepthook(kind, error, traceback)
