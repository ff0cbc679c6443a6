"""What the line of long work says: counts, rates, times."""

import pytest

from console import work
from console.work import Work


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_what_comes_before_the_first_advance_is_not_in_the_rate(clock):
    done = Work("training", total=100, unit_scale=10, clock=clock)
    assert done.line() == "training 0 %, 0/1,000 images"
    clock.seconds += 90
    done.advance(1)
    assert done.line() == "training 1 %, 10/1,000 images"
    clock.seconds += 10
    done.advance(10)
    assert (
        done.line() == "training 11 %, 110/1,000 images, 10 images/s, ETA 89 s"
    )


def test_what_an_earlier_start_had_done_is_not_in_the_rate(clock):
    done = Work(
        "building", total=1000, initial=500, megabytes=0.25, clock=clock
    )
    assert done.line() == "building 50 %, 500/1,000 images"
    done.advance(20)
    clock.seconds += 10
    done.advance(80)
    assert done.line() == (
        "building 60 %, 600/1,000 images, 8.0 images/s, 2.0 MB/s, ETA 50 s"
    )
    done.advance(400)
    assert done.line() == (
        "building 100 %, 1,000/1,000 images, 48 images/s, 12.0 MB/s"
    )


def test_a_pause_is_not_in_the_rate(clock):
    done = Work("training", total=100, clock=clock)
    done.advance(1)
    clock.seconds += 10
    done.advance(10)
    done.pause()
    assert done.is_paused
    clock.seconds += 500
    expected = "training 11 %, 11/100 images, 1.0 images/s, ETA 89 s"
    assert done.line() == expected
    done.resume()
    assert not done.is_paused
    assert done.line() == expected
    clock.seconds += 10
    done.advance(30)
    assert done.line() == (
        "training 41 %, 41/100 images, 2.0 images/s, ETA 30 s"
    )


def test_a_stall_is_named(clock):
    done = Work("predicting", total=60, clock=clock)
    done.text = "compiling"
    clock.seconds += 19
    assert done.line(still=True) == (
        "still predicting 0 %, 0/60 images, compiling"
    )
    clock.seconds += 21
    assert done.line(still=True) == (
        "still predicting 0 %, 0/60 images, compiling, no progress for 40 s"
    )


def test_work_of_unknown_length(clock):
    done = Work("uploading", unit="files", clock=clock)
    assert done.line() == "uploading"
    clock.seconds += 40
    assert done.line(still=True) == "still uploading, 40 s"
    done.advance(2)
    clock.seconds += 60
    done.advance(3)
    assert done.line() == "uploading, 5 files, 0.1 files/s, 2 min"


def test_durations():
    assert list(map(work.minutes, (0.4, 89.4, 91, 5340, 11100))) == [
        "0 s",
        "89 s",
        "2 min",
        "89 min",
        "3 h 05 min",
    ]
