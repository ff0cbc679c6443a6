"""The progress of a piece of work, its rate, and the texts about it.

building 41 %, 20,500/50,000 images, 1,790 images/s, 57.9 MB/s, ETA 16 s
still building 41 %, 20,500/50,000 images, …, no progress for 20 s
compiling, 40 s
"""

import time
from collections.abc import Callable

_STALL_SECONDS = 20.0  # The line reports longer times without progress.


class Work:
    """Counts the work that is done, and measures the rate.

    The rate does not count the work of an earlier start, the time before the
    first advance (input is opened, graphs are compiled), and pauses.
    """

    def __init__(
        self,
        what: str,
        *,
        total: float | None = None,
        unit: str = "images",
        unit_scale: float = 1,
        initial: float = 0,
        megabytes: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begins the work; see Progress for all arguments except the clock.

        Args:
            what: The work in a few words.
            total: Number of counts of the complete work.
            unit: The unit that is shown.
            unit_scale: Number of units in a count.
            initial: Counts that an earlier start had done.
            megabytes: Number of MB in a unit.
            clock: Returns seconds.
        """
        self.what = what
        self.total = total
        self.unit = unit
        self.unit_scale = unit_scale
        self.done = initial
        self.text = ""
        self._megabytes = megabytes
        self._clock = clock
        self._pauses = 0.0  # Seconds of all pauses that are over.
        self._paused_at: float | None = None
        self._began = self._last = self._now()
        self._first: float | None = None  # Time of the first advance.
        self._counted = 0.0  # Counts after the first advance.

    @property
    def is_paused(self) -> bool:
        return self._paused_at is not None

    def advance(self, count: float) -> None:
        """Adds to the work that is done."""
        self.done += count
        self._last = self._now()
        if self._first is None:
            self._first = self._last
        else:
            self._counted += count

    def pause(self) -> None:
        """Stops the clock until `resume`."""
        self._paused_at = self._clock()

    def resume(self) -> None:
        """Starts the clock again."""
        if self._paused_at is not None:
            self._pauses += self._clock() - self._paused_at
            self._paused_at = None

    def rate(self) -> float | None:
        """Returns counts per second; None if it is not known yet."""
        if self._first is None or not self._counted:
            return None
        if self._last <= self._first:
            return None
        return self._counted / (self._last - self._first)

    def line(self, *, still: bool = False) -> str:
        """Returns the progress of the work as one line.

        Args:
            still: Whether nothing has changed since the line before.
        """
        head = f"{'still ' if still else ''}{self.what}"
        counts = []
        if self.total is not None:
            head += f" {100 * self.done / (self.total or 1):.0f} %"
            counts = [
                f"{self.done * self.unit_scale:,.0f}/"
                f"{self.total * self.unit_scale:,.0f} {self.unit}"
            ]
        return ", ".join([head, *counts, *self.details()])

    def details(self) -> list[str]:
        """Returns the texts to print after a bar: rates and times."""
        parts = []
        if self.total is None and self.done:
            parts.append(f"{self.done * self.unit_scale:,.0f} {self.unit}")
        rate = self.rate()
        if rate:
            units = rate * self.unit_scale
            parts.append(f"{_number(units)} {self.unit}/s")
            if self._megabytes:
                parts.append(f"{units * self._megabytes:.1f} MB/s")
            if self.total is not None and self.done < self.total:
                remaining = (self.total - self.done) / rate
                parts.append(f"ETA {minutes(remaining)}")
        if self.text:
            parts.append(self.text)
        now = self._now()
        if self.total is None and now - self._began >= 1:
            parts.append(minutes(now - self._began))
        if self.total is not None and now - self._last >= _STALL_SECONDS:
            parts.append(f"no progress for {minutes(now - self._last)}")
        return parts

    def _now(self) -> float:
        """Returns seconds on a clock that stops during pauses."""
        now = self._clock() if self._paused_at is None else self._paused_at
        return now - self._pauses


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def minutes(seconds: float) -> str:
    """Returns a duration in a readable form: 42 s, 7 min, 3 h 05 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    whole = round(seconds / 60)
    if whole < 90:
        return f"{whole} min"
    return f"{whole // 60} h {whole % 60:02d} min"
