"""Saves on a thread, one at a time, to a folder that may hang for ever.

A save that does not end is reported repeatedly. After a time limit it is
abandoned and the next save may run in parallel: a mount that was mounted again
answers new calls, while calls to the old mount never return.
"""

import dataclasses
import threading
import time
from collections.abc import Callable

from absl import logging

from storage import LostError

_REPORT_SECONDS = 300.0
_LONGEST_SAVE_SECONDS = 900.0


@dataclasses.dataclass(kw_only=True)
class _Save:
    """A save on its thread.

    Attributes:
        step: The step of the state that it saves.
        began: When it began, in monotonic seconds.
        reported: When it was last reported as hanging, in monotonic seconds.
        given_up: Whether it was abandoned.
    """

    step: int
    began: float
    reported: float
    given_up: bool = False
    thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        return self.thread is not None and self.thread.is_alive()

    def join(self, seconds: float) -> None:
        """Waits for the end of the save, at most this long."""
        if self.thread is not None:
            self.thread.join(seconds)

    @property
    def age(self) -> float:
        return time.monotonic() - self.began


class SaveThread:
    """Runs the saves of a run.

    Args:
        url: The folder that they write to, for the log.

    Attributes:
        saves: Number of saves that succeeded.
        failures: Number of failed saves, plus the reports of a hanging save.
        longest: Seconds of the longest save.
    """

    def __init__(self, url: str) -> None:
        self.saves = self.failures = 0
        self.longest = 0.0
        self._url = url
        self._current: _Save | None = None
        self._given_up: _Save | None = None

    @property
    def is_busy(self) -> bool:
        return self._current is not None and self._current.is_running

    def start(
        self,
        step: int,
        store: Callable[[], None],
        on_saved: Callable[[], None],
    ) -> None:
        """Starts a save; the one before must have ended or been abandoned.

        Args:
            step: The step of the state that it saves.
            store: Saves it.
            on_saved: Called after a successful save that was not abandoned.
        """
        now = time.monotonic()
        save = _Save(step=step, began=now, reported=now)
        save.thread = threading.Thread(
            target=self._run, args=(save, store, on_saved), daemon=True
        )
        self._current = save
        save.thread.start()

    def wait(self) -> None:
        """Waits for the running save, if there is one, up to a time limit."""
        save = self._current
        if save is None:
            return
        while save.is_running and save.age < _LONGEST_SAVE_SECONDS:
            left = _LONGEST_SAVE_SECONDS - save.age
            save.join(min(_REPORT_SECONDS, left))
            self._report(save)
        if save.is_running:
            self._give_up(save)
        self._current = None

    def mind(self) -> None:
        """Reports a save that hangs; abandons it after a time limit.

        An abandoned save still holds its copy of the state in memory. So a
        second save is not abandoned before the first has ended.
        """
        save, before = self._current, self._given_up
        if save is None or not save.is_running:
            return
        self._report(save)
        if save.age >= _LONGEST_SAVE_SECONDS and not (
            before and before.is_running
        ):
            self._give_up(save)
            self._current = None

    def _report(self, save: _Save) -> None:
        now = time.monotonic()
        if not save.is_running or now - save.reported < _REPORT_SECONDS:
            return
        save.reported = now
        self.failures += 1
        logging.error(
            "BACKUP FAILED: the save of step %d has not ended for %.0f "
            "minutes: %s does not answer. Failures so far: %d",
            save.step,
            save.age / 60,
            self._url,
            self.failures,
        )

    def _give_up(self, save: _Save) -> None:
        save.given_up = True
        self._given_up = save
        logging.error("The save of step %d was abandoned", save.step)

    def _run(
        self,
        save: _Save,
        store: Callable[[], None],
        on_saved: Callable[[], None],
    ) -> None:
        """Stores one backup, on the thread; never raises."""
        try:
            store()
            self.saves += 1
            if not save.given_up:
                on_saved()
        except LostError:
            pass  # Training ends at the next BackupFolder.refuse_if_lost().
        except Exception as error:  # Training continues after any failure.
            self.failures += 1
            logging.error(
                "BACKUP FAILED at step %d: %s: %s. Training continues; the "
                "next save is tried when it is due. Failures so far: %d",
                save.step,
                type(error).__name__,
                error,
                self.failures,
            )
        if not save.given_up:
            self.longest = max(self.longest, save.age)
