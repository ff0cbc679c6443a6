"""Shows how far the drawing is: images, images/s, time left."""

import sys
import threading
import time


class Progress:
    """A line on stderr: kept up to date on a terminal, else one in 10 s."""

    def __init__(self, total: int):
        self._total = total
        self._done = 0
        self._start = self._shown = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._lock = threading.Lock()

    def advance(self, images: int) -> None:
        """Counts images that were drawn; from any thread."""
        with self._lock:
            self._done += images
            now = time.monotonic()
            if now - self._shown >= (0.5 if self._terminal else 10):
                self._shown = now
                self._show(now)

    def finish(self) -> None:
        """Shows the whole."""
        self._show(time.monotonic())
        if self._terminal:
            print(file=sys.stderr)

    def _show(self, now: float) -> None:
        rate = self._done / max(now - self._start, 1e-3)
        left = (self._total - self._done) / max(rate, 1e-3)
        line = (
            f"{self._done:,} of {self._total:,} images, {rate:,.0f} images/s, "
            f"{int(left) // 60} min {int(left) % 60} s left"
        )
        ends = {"end": "\r"} if self._terminal else {}
        print(line, file=sys.stderr, flush=True, **ends)
