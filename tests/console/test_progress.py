"""The line that says how far long work is."""

import logging

import pytest

from console import progress
from console.progress import Progress


@pytest.fixture
def said(monkeypatch, caplog):
    """Each line, by seconds and units done: said((0, 5), (20, 7), …)."""
    caplog.set_level(logging.INFO)
    clock = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])

    def run(*updates, pause_at=None):
        shown = Progress(100, unit=("images", 10))
        for seconds, done in updates:
            clock[0] = 1000.0 + seconds
            shown.update(done, f"{done} done")
            if done == pause_at:
                clock[0] = 1490.0
                shown.pause(done)
        return [record.getMessage() for record in caplog.records]

    return run


def test_what_comes_before_the_first_update_is_no_speed(said):
    assert said((90, 1), (100, 11), (110, 21)) == [
        "1 done",
        "11 done, 10 images/s, ETA 89 s",
        "21 done, 10 images/s, ETA 79 s",
    ]


def test_a_pause_is_no_speed(said):
    assert said((0, 1), (10, 11), (500, 12), (510, 17), pause_at=11) == [
        "11 done, 10 images/s, ETA 89 s",
        "12 done, 1 images/s, ETA 15 min",
        "17 done, 3 images/s, ETA 5 min",
    ]


def test_lines_are_a_while_apart(said):
    assert len(said((1, 1), (5, 2), (11, 3), (12, 4), (21, 5))) == 2
