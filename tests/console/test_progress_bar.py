"""One line that is drawn over on a terminal, one every 10 s elsewhere."""

import io

from console.progress_bar import ProgressBar


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    seconds = 100.0

    def __call__(self):
        return self.seconds


def test_line():
    clock = Clock()
    bar = ProgressBar(1000, 32332, clock=clock)
    clock.seconds += 2
    bar.add(400)
    assert bar.line() == (
        "building  40%  400/1000 images  200 images/s  6.5 MB/s  3 s left"
    )


def test_what_an_earlier_start_did_is_no_speed():
    clock = Clock()
    bar = ProgressBar(1000, 1000, clock=clock)
    bar.skip(500)
    clock.seconds += 10
    bar.add(100)
    assert bar.line() == (
        "building  60%  600/1000 images  10 images/s  0.0 MB/s  40 s left"
    )


def test_a_line_every_ten_seconds():
    clock, stream = Clock(), io.StringIO()
    with ProgressBar(100, 1, stream=stream, clock=clock) as bar:
        for _ in range(50):
            clock.seconds += 0.5
            bar.add(1)
    lines = stream.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["20%", "40%"]


def test_a_terminal_gets_one_line():
    clock, stream = Clock(), Terminal()
    with ProgressBar(100, 1, stream=stream, clock=clock) as bar:
        for _ in range(10):
            clock.seconds += 0.25
            bar.add(10)
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text.endswith("s left\n")
    assert text.count("\r") == 11
