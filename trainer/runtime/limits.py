"""When to stop before the end, and what to say and return then."""

import os
import signal
import sys
from types import FrameType

from storage import UserError
from trainer.runtime import process_age


class StopError(BaseException):
    """Leaves work that a signal or the time limit interrupts.

    Like KeyboardInterrupt it is no Exception: what handles any failure of the
    work that it comes in must not handle it.
    """


_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_STOPPING = (
    b"\nStopping after the steps under way, with a backup. Ctrl-C again stops "
    b"now, without one.\n"
)
_LARGEST_RESERVE = 0.2  # Of the whole time.


class Limits:
    """A deadline and the signals that ask to stop.

    Within `with limits:` the first SIGTERM or Ctrl-C only makes reached()
    true, so that the step under way is finished and saved; a second one acts
    at once. After stop_at_once() the first one, too, raises StopError.

    Args:
        max_minutes: How long after the start of the process to stop; 0: never.
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
        """Returns whether training is to stop.

        Args:
            reserve: Seconds that the last save needs before the deadline.
        """
        reserve = min(reserve, _LARGEST_RESERVE * self.seconds)
        over = process_age.seconds() >= self.seconds - reserve
        return self.signal is not None or over

    def stop_at_once(self) -> None:
        """From now on nothing is lost by a stop: a signal raises StopError.

        Raises:
            StopError: A signal has come already.
        """
        self._at_once = True
        if self.signal:
            raise StopError

    def leave(self, step: int, total_steps: int, *, saved: bool) -> int:
        """Reports that the run is not at its end; returns the exit code.

        Raises:
            storage.UserError: The time is over and the run is not saved.
        """
        message = f"unfinished: step {step} of {total_steps}"
        if not saved and not self.signal:
            raise UserError(
                f"{message}, which could not be backed up (see above): run the "
                "same command to go on from the last backup"
            )
        why = f"{signal.Signals(self.signal).name}: " if self.signal else ""
        print(
            f"{why}{message}, run the same command to go on"
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
            # Not print(): this may interrupt another one.
            os.write(2, _STOPPING)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
