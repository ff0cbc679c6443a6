"""How long work is shown: as a bar of tqdm, or as lines in the log."""

import fcntl
import io
import logging
import os
import pty
import re
import subprocess
import sys
import termios
import threading

import commands
import pytest

from console import progress
from console.displays import Bar, LogLines
from console.progress import Progress
from console.work import Work

# On a terminal: work of unknown length, a log line, work of a known one.
ON_A_TERMINAL = """
import threading
from absl import app, logging
from console.progress import Progress

def main(argv):
    logging.set_verbosity(logging.INFO)
    tick = threading.Event()
    with Progress("compiling"):
        tick.wait(0.5)
    try:
        with Progress("drawing", total=40, megabytes=0.5) as progress:
            for step in range(30):
                tick.wait(0.02)
                progress.advance()
            progress.set_text("loss 0.25")
            logging.info("a line of the log")
            raise RuntimeError("a bug")
    finally:
        assert threading.active_count() == 1, threading.enumerate()

app.run(main)
"""


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def messages(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_lines_are_a_while_apart(caplog):
    caplog.set_level(logging.INFO)
    clock = Clock()
    work = Work("building", total=100, clock=clock)
    log_lines = LogLines(work)
    for advance in (10, 10, 0, 0, 0, 10, 0, 5):
        clock.seconds += log_lines.seconds
        if advance:
            work.advance(advance)
        log_lines.show()
    assert messages(caplog) == [
        "building 0 %, 0/100 images",
        "building 10 %, 10/100 images",
        "building 20 %, 20/100 images, 1.0 images/s, ETA 80 s",
        # Nothing advances for 30 s.
        "still building 20 %, 20/100 images, 1.0 images/s, ETA 80 s, "
        "no progress for 20 s",
        "building 30 %, 30/100 images, 0.4 images/s, ETA 3 min",
        "building 35 %, 35/100 images, 0.4 images/s, ETA 3 min",
    ]


def test_lines_of_unknown_length_and_a_new_text(caplog):
    caplog.set_level(logging.INFO)
    clock = Clock()
    work = Work("compiling", clock=clock)
    log_lines = LogLines(work)
    for tick in range(1, 6):
        clock.seconds += log_lines.seconds
        if tick == 5:
            work.text = "the evaluation"
        log_lines.show()
    assert messages(caplog) == [
        "compiling",
        "still compiling, 20 s",
        "still compiling, 40 s",
        "compiling, the evaluation, 50 s",
    ]


def test_no_line_in_a_pause(caplog):
    caplog.set_level(logging.INFO)
    work = Work("training", total=10)
    log_lines = LogLines(work)
    work.pause()
    for _ in range(5):
        log_lines.show()
    assert messages(caplog) == ["training 0 %, 0/10 images"]


def test_threads_count_together_and_all_end(caplog, monkeypatch):
    """The thread shows lines while nothing advances, none after the end."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(LogLines, "seconds", 0.001)
    logged = threading.Event()
    monkeypatch.setattr(
        progress.displays.logging,
        "info",
        lambda _, line: (
            texts.append(line),
            line.startswith("still waiting") and logged.set(),
        ),
    )
    texts: list[str] = []
    before = threading.active_count()
    with Progress("waiting", total=4000) as bar:
        assert texts[0] == "waiting 0 %, 0/4,000 images"
        assert logged.wait(30)
        threads = [
            threading.Thread(
                target=lambda: [bar.advance(0.5) for _ in range(2000)]
            )
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert bar._work.done == 4000
    assert threading.active_count() == before
    count = len(texts)
    assert not threading.Event().wait(0.05)
    assert len(texts) == count
    bar.close()  # A second time does nothing.


def test_a_bar(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    clock = Clock()
    work = Work("building", total=200, unit_scale=2, clock=clock)
    bar = Bar(work)
    work.advance(20)
    clock.seconds += 8
    work.advance(80)
    work.text = "png"
    bar.show()
    bar.close()
    drawn = stream.getvalue().split("\r")
    assert drawn[1].startswith("building   0%|")
    assert drawn[1].endswith("| 0/400 images")
    assert drawn[2].startswith("building  50%|#")
    assert drawn[2].endswith("| 200/400 images, 20 images/s, ETA 10 s, png")
    assert stream.getvalue().endswith("ETA 10 s, png\n")


def test_a_bar_of_unknown_length_vanishes(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    clock = Clock()
    bar = Bar(Work("compiling", clock=clock))
    clock.seconds += 40
    bar.show()
    bar.close()
    assert [text.strip() for text in stream.getvalue().split("\r")] == [
        *("", "compiling", "compiling, 40 s", "compiling, 40 s", "", "")
    ]
    assert "\n" not in stream.getvalue()


def run_on_a_terminal(program: str, *, columns: int) -> str:
    """Returns what a program writes to a terminal."""
    ours, theirs = pty.openpty()
    size = (30).to_bytes(2, "little") + columns.to_bytes(2, "little")
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, size + bytes(4))
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=commands.ROOT,
        stdout=theirs,
        stderr=theirs,
        # Python 3.13 colours its tracebacks.
        env=os.environ
        | {"PYTHONPATH": str(commands.ROOT), "PYTHON_COLORS": "0"},
    )
    os.close(theirs)
    written = b""
    try:
        while part := os.read(ours, 4096):
            written += part
    except OSError:  # EIO: the program has ended.
        pass
    os.close(ours)
    process.wait()
    return written.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [90, 0])
def test_a_real_terminal(columns):
    text = run_on_a_terminal(ON_A_TERMINAL, columns=columns)
    assert "\rcompiling" in text
    assert "\rdrawing   0%|" in text
    assert " images/s, " in text
    assert " MB/s, ETA " in text
    assert "█" in text
    lines = [line.rpartition("\r")[2] for line in text.split("\n")]
    assert re.fullmatch(r"I\d{4} [^|]*\] a line of the log", lines[0])
    assert lines[1].startswith("drawing  75%|██")
    assert lines[1].endswith("loss 0.25")
    assert "30/40 images, " in lines[1]
    assert lines[2].startswith("Traceback")
    assert "RuntimeError: a bug" in lines[-2]


def test_an_import_that_fails_on_a_terminal():
    """The traceback has a line of its own; the display is gone."""
    text = run_on_a_terminal(
        "from console.importing import Importing\n"
        "Importing('what is slow')\n"
        "import no_such_package",
        columns=90,
    )
    assert "\rimporting what is slow\r" in text
    lines = [line.rpartition("\r")[2] for line in text.split("\n")]
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-2] == "ModuleNotFoundError: No module named 'no_such_package'"
