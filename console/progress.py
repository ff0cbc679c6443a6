"""The line that says how far long work is and how long it will take."""

import sys
import time

from absl import logging

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Shows progress: one changing line on a terminal, else a line a while.

    What comes before the first update is not in the rate: input is opened and
    graphs are compiled.

    Args:
        total: Units of the whole work.
        unit: What a unit is called in the rate, and how many it counts.
    """

    def __init__(self, total: int, *, unit: tuple[str, int] = ("", 1)):
        self.total = total
        self.unit, self.per_unit = unit
        self._terminal = sys.stderr.isatty()
        self._mark = None
        self._shown = time.monotonic()
        self.rate = 0.0

    def update(self, done: int, text: str) -> None:
        """Takes note of `done` units, and shows `text`, rate and ETA."""
        now = time.monotonic()
        self._mark = self._mark or (now, done)
        began, before = self._mark
        if done > before and now > began:
            self.rate = (done - before) / (now - began)
        wait = 0.2 if self._terminal else _SECONDS_BETWEEN_LINES
        if now - self._shown < wait:
            return
        self._shown = now
        line = text
        if self.rate:
            left = (self.total - done) / self.rate
            line += (
                f", {self.rate * self.per_unit:.0f} {self.unit}/s, "
                f"ETA {minutes(left)}"
            )
        if self._terminal:
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
        else:
            logging.info("%s", line)

    def close(self) -> None:
        """Takes the changing line off the terminal."""
        if self._terminal:
            sys.stderr.write("\r\x1b[K")

    def pause(self, done: int) -> None:
        """Leaves the time since the last update out of the rate."""
        self._mark = (time.monotonic(), done)
        self.close()


def minutes(seconds: float) -> str:
    """Returns a duration as people read it: 42 s, 7 min, 3 h 05 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    whole = round(seconds / 60)
    if whole < 90:
        return f"{whole} min"
    return f"{whole // 60} h {whole % 60:02d} min"
