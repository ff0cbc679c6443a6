"""Saves on a thread, one at a time, through a folder that may hang for ever.

A save that does not end is reported again and again. In the end it is given
up, and the next one is tried beside it: a mount that was made anew answers,
though what was asked of the old one never ends.
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
        reported: When it was last reported that it has not ended.
        given_up: Whether the run has gone on to the next one.
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
        """Waits for its end, but not longer."""
        if self.thread is not None:
            self.thread.join(seconds)

    @property
    def age(self) -> float:
        return time.monotonic() - self.began


class SaveThread:
    """Makes the saves of a run.

    Args:
        url: The folder that they go to, for the log.

    Attributes:
        saves: Saves that succeeded.
        failures: Saves that failed, and times that one was reported to hang.
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
        """Begins a save; the one before has ended or was given up.

        Args:
            step: The step of the state that it saves.
            store: Saves it.
            on_saved: Called when that succeeded and it was not given up.
        """
        now = time.monotonic()
        save = _Save(step=step, began=now, reported=now)
        save.thread = threading.Thread(
            target=self._run, args=(save, store, on_saved), daemon=True
        )
        self._current = save
        save.thread.start()

    def wait(self) -> None:
        """Waits for the save under way, if there is one, but not for ever."""
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
        """Reports a save that does not end, and in the end gives it up.

        One that was given up keeps its copy of the state. So a second one is
        not, before the first has ended.
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
        logging.error("The save of step %d was given up", save.step)

    def _run(
        self,
        save: _Save,
        store: Callable[[], None],
        on_saved: Callable[[], None],
    ) -> None:
        """Runs on the thread; never raises."""
        try:
            store()
            self.saves += 1
            if not save.given_up:
                on_saved()
        except LostError:
            pass  # The steps end at the next BackupFolder.refuse_if_lost().
        except Exception as error:  # Training goes on, whatever failed here.
            self.failures += 1
            logging.error(
                "BACKUP FAILED at step %d: %s: %s. Training goes on; the next "
                "one is tried in time. Failures so far: %d",
                save.step,
                type(error).__name__,
                error,
                self.failures,
            )
        if not save.given_up:
            self.longest = max(self.longest, save.age)
