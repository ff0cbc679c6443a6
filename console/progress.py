"""Shows how far long work is and how long it will take.

    with Progress("predicting", total=50_000) as progress:
        for batch in batches:
            predict(batch)
            progress.advance(len(batch))

On a terminal and in a notebook this is a bar of tqdm; elsewhere it is a line in
the log at once, every 10 s, and every 20 s while nothing advances. A thread
shows it, so that it also goes on while the work itself is busy or waits.
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
    """Progress of a piece of work, from when it is made until it is closed.

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
            total: Counts of the complete work; None if that is not known.
            unit: The unit that is shown.
            unit_scale: Units that a count stands for, such as the images of a
                step.
            initial: Counts that an earlier start had done; they are not in the
                rate.
            megabytes: MB that a unit stands for, to show MB/s too; 0 shows
                none.
            at_once: Whether the log has a line at once; else there is none
                before 10 s, which suits short work that is repeated.
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
        """Adds to what is done.

        The time before the first call is not in the rate: in it, input is
        opened and graphs are compiled.
        """
        with self._lock:
            self._work.advance(count)

    def set_text(self, text: str) -> None:
        """Replaces the text at the end of the line, such as the loss."""
        with self._lock:
            self._work.text = text

    @contextlib.contextmanager
    def pause(self) -> Iterator[None]:
        """Leaves a `with` block of other work out of the rate and the log.

        The other work can have a Progress of its own; on a terminal its bar is
        below this one and vanishes at its end.
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
