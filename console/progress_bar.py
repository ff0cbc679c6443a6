"""Shows how far a long piece of work is.

On a terminal one line that is drawn over, elsewhere a line every 10 s:

    building  41%  20500/50210 images  1790 images/s  57.9 MB/s  17 s left
"""

import sys
import threading
import time
from typing import TextIO

_TERMINAL_SECONDS = 0.2
_LINE_SECONDS = 10.0


class ProgressBar:
    """Counts images; use it in a `with` block."""

    def __init__(
        self,
        total: int,
        image_bytes: int,
        *,
        what: str = "building",
        stream: TextIO | None = None,
        clock=time.monotonic,
    ):
        """Makes a bar.

        Args:
            total: Images in all.
            image_bytes: Bytes of an image, for the MB/s.
            what: The line's first word.
            stream: Where to; None for stderr.
            clock: Gives seconds.
        """
        self._total = total
        self._image_bytes = image_bytes
        self._what = what
        self._stream = stream or sys.stderr
        self._clock = clock
        self._terminal = self._stream.isatty()
        self._lock = threading.Lock()
        self._done = 0.0
        self._skipped = 0.0
        self._start = clock()
        self._shown = self._start
        self._width = 0

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self._terminal and self._width:
            self._show()
            self._stream.write("\n")  # An error gets a line of its own.
            self._stream.flush()

    def add(self, images: float) -> None:
        """Counts images, or parts of them, that are done now."""
        with self._lock:
            self._done += images
            every = _TERMINAL_SECONDS if self._terminal else _LINE_SECONDS
            if self._clock() - self._shown >= every:
                self._shown = self._clock()
                self._show()

    def skip(self, images: float) -> None:
        """Counts images that an earlier start did: they took no time."""
        self._skipped += images
        self.add(images)

    def line(self) -> str:
        """Returns the line as of now."""
        seconds = max(1e-9, self._clock() - self._start)
        speed = (self._done - self._skipped) / seconds
        left = (self._total - self._done) / speed if speed else 0
        return (
            f"{self._what} {self._done / max(1, self._total):4.0%}  "
            f"{self._done:.0f}/{self._total} images  {speed:.0f} images/s  "
            f"{speed * self._image_bytes / 1e6:.1f} MB/s  {left:.0f} s left"
        )

    def _show(self) -> None:
        line = self.line()
        if self._terminal:
            self._stream.write("\r" + line.ljust(self._width))
            self._width = len(line)
        else:
            self._stream.write(line + "\n")
        self._stream.flush()
