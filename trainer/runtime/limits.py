"""Ends a run early, by a signal or a time limit, with an exit code."""

import os
import signal
import sys
from types import FrameType

from storage import UserError
from trainer.runtime import process_age


class StopError(BaseException):
    """Ends work because of a signal or the time limit.

    Like KeyboardInterrupt it is not an Exception: code that handles any failure
    of the work must not handle it.
    """


_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_STOPPING = (
    b"\nStopping after the current steps, with a backup. Ctrl-C again stops "
    b"now, without a backup.\n"
)
_LARGEST_RESERVE = 0.2  # As a fraction of the whole time.


class Limits:
    """A deadline, and the signals that stop the run.

    Within `with limits:` the first SIGTERM or Ctrl-C only makes reached() true,
    so that the current step is completed and saved; a second signal acts at
    once. After stop_at_once() the first signal, too, raises StopError.

    Args:
        max_minutes: Minutes after the start of the process to stop; 0: never.
    """

    def __init__(self, *, max_minutes: float) -> None:
        self.seconds = 60.0 * max_minutes or float("inf")
        self.signal: int | None = None
        self._at_once = False
        self._before = {}

    def __enter__(self) -> "Limits":
        self._before = {s: signal.signal(s, self._on_signal) for s in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def reached(self, *, reserve: float = 0.0) -> bool:
        """Returns whether training must stop.

        Args:
            reserve: Seconds before the deadline that the last save needs.
        """
        reserve = min(reserve, _LARGEST_RESERVE * self.seconds)
        over = process_age.seconds() >= self.seconds - reserve
        return self.signal is not None or over

    def stop_at_once(self) -> None:
        """Makes the next signal raise StopError, since no work can be lost now.

        Raises:
            StopError: A signal came before this call.
        """
        self._at_once = True
        if self.signal:
            raise StopError

    def leave(self, step: int, total_steps: int, *, saved: bool) -> int:
        """Reports that the run is unfinished; returns the exit code.

        Raises:
            storage.UserError: The time is over and the run is not saved.
        """
        message = f"unfinished: step {step} of {total_steps}"
        if not saved and not self.signal:
            raise UserError(
                f"{message}, which could not be backed up (see above): run the "
                "same command to resume from the last backup"
            )
        why = f"{signal.Signals(self.signal).name}: " if self.signal else ""
        print(
            f"{why}{message}, run the same command to continue"
            f"{'' if saved else ' FROM AN EARLIER BACKUP: the last failed'}",
            file=sys.stderr if self.signal else sys.stdout,
            flush=True,
        )
        return 128 + self.signal if self.signal else 0

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.signal = number
        self._restore()
        if self._at_once:
            raise StopError
        if number == signal.SIGINT:
            # Not print(): the signal may have interrupted a print().
            os.write(2, _STOPPING)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
