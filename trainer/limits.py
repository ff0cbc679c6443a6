"""When to stop before the end, and what to say and return then."""

import os
import pathlib
import signal
import sys
import time

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Limits:
    """A deadline and the signals that ask to stop.

    Within `with limits:` the first SIGTERM or Ctrl-C only makes reached()
    true, so that the step under way is finished and saved; a second one acts
    at once.

    Args:
        minutes: How long after the start of the process to stop; 0: never.
    """

    def __init__(self, *, minutes: float = 0.0):
        self.deadline = float("inf")
        if minutes:
            self.deadline = time.monotonic() - _process_age() + 60.0 * minutes
        self.signal = None
        self._before = {}

    def __enter__(self):
        self._before = {s: signal.signal(s, self._on_signal) for s in _SIGNALS}
        return self

    def __exit__(self, *_):
        self._restore()

    def reached(self) -> bool:
        """Returns whether training is to stop."""
        return self.signal is not None or time.monotonic() >= self.deadline

    def leave(self, step: int, total_steps: int) -> int:
        """Says that the run is not at its end; returns the exit code."""
        why = f"{signal.Signals(self.signal).name}: " if self.signal else ""
        print(
            f"{why}unfinished: step {step} of {total_steps}, run the same "
            "command to go on",
            file=sys.stderr if self.signal else sys.stdout,
            flush=True,
        )
        return 128 + self.signal if self.signal else 0

    def _on_signal(self, number, frame):
        del frame
        self.signal = number
        self._restore()

    def _restore(self):
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


def _process_age():
    """Returns the seconds since this process started."""
    try:
        stat = pathlib.Path("/proc/self/stat").read_text()
        started = int(stat.rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME)
        return age - started / os.sysconf("SC_CLK_TCK")
    except OSError:  # No /proc: the time of the imports is not counted.
        return 0.0
