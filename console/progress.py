"""Shows the progress of long work and the time that remains.

    with Progress("predicting", total=50_000) as progress:
        for batch in batches:
            predict(batch)
            progress.advance(len(batch))

On a terminal and in a notebook it is a bar of tqdm. Elsewhere it is a line in
the log: one at once, then every 10 s, or every 20 s while nothing advances. A
thread shows it, so that it is updated even while the work is busy or waits.
"""

import contextlib
import sys
import threading
from collections.abc import Iterator

from console import displays, work
from console.displays import Bar, LogLines
from console.work import Work

minutes = work.minutes


class Progress:
    """The progress of a piece of work, from its creation until close().

    Any thread may call the methods.
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
        at_once: bool = True,
    ) -> None:
        """Shows that the work begins.

        Args:
            what: The work in a few words, such as "compiling".
            total: Number of counts of the complete work; None if it is not
                known.
            unit: The unit that is shown.
            unit_scale: Number of units in a count, such as the images of a
                step.
            initial: Counts that an earlier start had done; they do not count
                for the rate.
            megabytes: Number of MB in a unit, to show MB/s, too; 0: do not show
                it.
            at_once: Whether to log a line at once. If not, the first line comes
                after 10 s, which suits short work that is repeated.
        """
        self._work = Work(
            what,
            total=total,
            unit=unit,
            unit_scale=unit_scale,
            initial=initial,
            megabytes=megabytes,
        )
        self._lock = threading.Lock()
        self._closed = threading.Event()
        has_bar = sys.stderr.isatty() or displays.in_notebook()
        self._display = (
            Bar(self._work) if has_bar else LogLines(self._work, at_once)
        )
        self._thread = threading.Thread(
            target=self._watch, name="progress", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def advance(self, count: float = 1) -> None:
        """Adds to the work that is done.

        The rate does not count the time before the first call: in that time,
        input is opened and graphs are compiled.
        """
        with self._lock:
            self._work.advance(count)

    def set_text(self, text: str) -> None:
        """Replaces the text at the end of the line, such as the loss."""
        with self._lock:
            self._work.text = text

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """Excludes a `with` block of other work from the rate and the log.

        The other work can have its own Progress. On a terminal its bar is below
        this one, and is removed at its end.
        """
        with self._lock:
            self._work.pause()
        try:
            yield
        finally:
            with self._lock:
                self._work.resume()

    def close(self) -> None:
        """Ends the display; nothing is shown after this."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._thread.join()
        self._display.close()

    def _watch(self) -> None:
        while not self._closed.wait(self._display.seconds):
            with self._lock:
                self._display.show()
