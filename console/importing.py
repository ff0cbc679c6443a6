"""The display while a command imports its packages."""

import os
import signal
import sys
from types import TracebackType

from console import errors
from console.progress import Progress


class Importing:
    """Shows a line while a command imports its packages.

    Ctrl-C ends the command with one line. The imports are statements of the
    command's file, so they cannot be inside a `with` block. Call `close` after
    them.
    """

    def __init__(self, what: str) -> None:
        """Starts the display.

        Args:
            what: The slowest package of the imports.
        """
        self._progress = Progress(f"importing {what}")
        self._excepthook, sys.excepthook = sys.excepthook, self._fail
        self._signal_handler = signal.getsignal(signal.SIGINT)
        if self._signal_handler is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._interrupt)

    def close(self) -> None:
        """Ends the display, and restores the handling of Ctrl-C."""
        signal.signal(signal.SIGINT, self._signal_handler)
        sys.excepthook = self._excepthook
        self._progress.close()

    def _interrupt(self, *_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # For a second Ctrl-C.
        # Not close(): the display's thread may wait for a lock that the
        # interrupted code holds. Not an exception: packages that try imports
        # would catch it, or report it as an ImportError.
        os._exit(errors.fail(errors.INTERRUPTED))

    def _fail(
        self,
        kind: type[BaseException],
        error: BaseException,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.close()  # The traceback starts on a new line.
        self._excepthook(kind, error, traceback)
