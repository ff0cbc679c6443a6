"""The two displays of work: a bar of tqdm, and lines in the log.

Each is shown when it is created and at each call of `show`, which should be
called every `seconds`.
"""

import os
import sys

import tqdm
import tqdm.auto
from absl import logging

from console.work import Work


class LogLines:
    """Logs a line every 10 s, or every 20 s if nothing has changed.

    Args:
        work: The work to show.
        at_once: Whether to log the first line at once.
    """

    seconds = 10.0

    def __init__(self, work: Work, at_once: bool = True) -> None:
        self._work = work
        self._logged = (work.done, work.text)
        self._skipped = False
        if at_once:
            logging.info("%s", work.line())

    def show(self) -> None:
        """Logs a line; skips the first of several lines without a change."""
        if self._work.is_paused:
            return
        now = (self._work.done, self._work.text)
        still = now == self._logged
        if still and not self._skipped:
            self._skipped = True
            return
        self._logged, self._skipped = now, False
        logging.info("%s", self._work.line(still=still))

    def close(self) -> None:
        """Does nothing, because a line is complete."""


class Bar:
    """Draws a bar of tqdm on the terminal, or in the cell of a notebook."""

    seconds = 0.2

    def __init__(self, work: Work) -> None:
        self._work = work
        known = work.total is not None
        columns = _columns()
        make = tqdm.auto.tqdm if in_notebook() else tqdm.tqdm
        make.monitor_interval = 0  # tqdm needs no thread, as `show` draws.
        self._bar = make(
            desc=work.what,
            total=round(work.total * work.unit_scale)
            if work.total is not None
            else None,
            initial=self._count(),
            unit=work.unit,
            file=sys.stderr,
            ncols=columns or 80,
            dynamic_ncols=columns > 0,
            bar_format="{desc} {percentage:3.0f}%|{bar}| "
            "{n_fmt}/{total_fmt} {unit}{postfix}"
            if known
            else "{desc}{postfix}",
            # Bars below another bar, and of unknown length, are removed.
            leave=None if known else False,
        )
        _log_above_bars()

    def show(self) -> None:
        """Draws the bar again."""
        self._bar.n = self._count()
        self._bar.set_postfix_str(", ".join(self._work.details()))

    def close(self) -> None:
        """Draws the bar for the last time and ends its line."""
        self.show()
        self._bar.close()

    def _count(self) -> int:
        return round(self._work.done * self._work.unit_scale)


def in_notebook() -> bool:
    """Returns whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and "IPKernelApp" in shell.config


def _columns() -> int:
    """Returns the width of the terminal; 0 if it is not known."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:
        return 0


class _AboveBars:
    """A stream that writes lines above the bars instead of into them."""

    def write(self, text: str) -> None:
        tqdm.tqdm.write(text, file=sys.stderr, end="")

    def flush(self) -> None:
        sys.stderr.flush()

    def isatty(self) -> bool:
        """Returns True, because absl closes other streams at the end."""
        return True


def _log_above_bars() -> None:
    """Makes absl log through tqdm, which hides the bars for it."""
    handler = logging.get_absl_handler().python_handler
    if not isinstance(handler.stream, _AboveBars):
        handler.setStream(_AboveBars())
