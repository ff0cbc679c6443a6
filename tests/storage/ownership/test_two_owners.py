"""Two real processes into one folder: whatever happens, one of them ends it.

Each has a mount of its own of one store, where files are seen late, as two
machines with one Drive have. The times are those of the real lease, divided by
SCALE. tests/commands/test_two_trainers.py does the same with the command.
"""

import dataclasses
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import lease_trainer
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts"))
import drive_mount  # noqa: E402

needs_mount = pytest.mark.skipif(
    drive_mount.why_not() is not None,
    reason=f"no FUSE mount: {drive_mount.why_not()}",
)
SCALE = 40.0
PERIODS = lease_trainer.periods(SCALE)


class Trainer:
    """A start that has looked at the folder and not yet claimed it."""

    def __init__(self, folder, local, *, steps, machine=None):
        self.steps = steps
        self.process = subprocess.Popen(
            [sys.executable, lease_trainer.__file__, folder]
            + [machine or f"machine of {local.name}", str(steps), str(SCALE)]
            + [local],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.expect("looked")

    def expect(self, start):
        line = self.process.stdout.readline()
        assert line.startswith(start), line + self.process.stderr.read()
        return line

    def claim(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def has_finished(self):
        """Whether it ended the run, with the result of an undisturbed one."""
        out, err = self.process.communicate(timeout=300)
        assert "Traceback" not in err, err
        if self.process.returncode == 0:
            value = float(re.search(r"finished (\S+)", out)[1])
            assert value == lease_trainer.expected(self.steps)
            return True
        assert self.process.returncode == 1, err
        assert re.search(
            r"error: \S+ (is in use: .*--backup_dir|was taken over by .*)$",
            err.strip().splitlines()[-1],
        ), err
        return False


def steps_for(seconds):
    """Returns the steps of a run of so many seconds of a real lease."""
    return int(seconds / SCALE / lease_trainer.STEP_SECONDS)


@dataclasses.dataclass(frozen=True)
class Race:
    """Two look at an empty folder, and claim it one after the other.

    Attributes:
        lag: Seconds until a machine sees a file of the other.
        gap: Seconds between the claims.
        pauses: Which of the two is paused for longer than the watch.
    """

    lag: float
    gap: float
    pauses: int | None = None

    def __call__(self, folders, local):
        steps = steps_for(3 * self.lag + 4 * 60)
        trainers = [
            Trainer(folder, local / str(k), steps=steps)
            for k, folder in enumerate(folders)
        ]
        trainers[0].claim()
        time.sleep(self.gap / SCALE)
        trainers[1].claim()
        if self.pauses is not None:
            time.sleep(2 * PERIODS.renew)
            trainers[self.pauses].pause()
            time.sleep(PERIODS.watch + self.lag / SCALE + 4 * PERIODS.renew)
            trainers[self.pauses].go_on()
        finished = [trainer.has_finished() for trainer in trainers]
        assert sorted(finished) == [False, True]


@dataclasses.dataclass(frozen=True)
class Takeover:
    """One is paused for so long that another takes its folder over.

    Attributes:
        lag: Seconds until a machine sees a file of the other.
    """

    lag: float

    def __call__(self, folders, local):
        steps = steps_for(6 * self.lag + 6 * 60)
        first = Trainer(folders[0], local / "0", steps=steps)
        first.claim()
        first.expect("leg 1")
        time.sleep(self.lag / SCALE + 2 * PERIODS.renew)
        first.pause()
        time.sleep(self.lag / SCALE + 2 * PERIODS.renew)
        second = Trainer(folders[1], local / "1", steps=steps)
        second.claim()
        second.expect("leg 2")
        time.sleep(self.lag / SCALE + 2 * PERIODS.renew)
        first.go_on()
        assert not first.has_finished()
        assert second.has_finished()


def play(story: Callable, folder):
    """Plays a story on two mounts of one store."""
    folder.mkdir()
    options = {"write_back": story.lag / SCALE, "store": folder / "store"}
    with (
        drive_mount.DriveMount(folder / "a", dir_cache=0.1, **options) as a,
        drive_mount.DriveMount(folder / "b", dir_cache=0.1, **options) as b,
    ):
        story([a.path, b.path], folder)


def play_all(stories, folder):
    """Plays stories, which mostly wait, at the same time."""
    failures = []

    def attempt(number, story):
        try:
            play(story, folder / str(number))
        except BaseException as error:
            failures.append((story, error))

    threads = [
        threading.Thread(target=attempt, args=pair)
        for pair in enumerate(stories)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@needs_mount
def test_one_goes_on_whatever_the_mounts_show(tmp_path):
    stories = [
        Race(lag=0, gap=0),
        Race(lag=5, gap=1),
        Race(lag=30, gap=0),
        Race(lag=120, gap=3),
        Race(lag=30, gap=3, pauses=0),
        Race(lag=30, gap=3, pauses=1),
        Takeover(lag=30),
    ]
    play_all(stories, tmp_path)


@needs_mount
@pytest.mark.long
@pytest.mark.parametrize("gap", [0, 1, 3])
@pytest.mark.parametrize(
    "lag",
    [0, *(pytest.param(k, marks=pytest.mark.by_hand) for k in (5, 30, 120))],
)
def test_every_lag_gap_and_pause(tmp_path, lag, gap):
    stories = [Race(lag, gap, pauses) for pauses in (None, 0, 1)]
    play_all([*stories, Takeover(lag)], tmp_path)


@pytest.mark.parametrize("attempt", range(3))
def test_on_one_disk_the_second_of_two_starts_is_refused(tmp_path, attempt):
    """Both look before either claims, and are of one machine."""
    trainers = [
        Trainer(tmp_path / "run", tmp_path / name, steps=200, machine="this")
        for name in "ab"
    ]
    for trainer in trainers:
        trainer.claim()
    finished = [trainer.has_finished() for trainer in trainers]
    assert sorted(finished) == [False, True]


def test_a_start_that_is_late_does_not_take_over_a_live_run(tmp_path):
    """With several workers, or a TPU, minutes pass before the claim."""
    one = Trainer(tmp_path / "run", tmp_path / "0", steps=steps_for(200))
    one.claim()
    one.expect("leg 1")
    two = Trainer(tmp_path / "run", tmp_path / "1", steps=steps_for(200))
    time.sleep(PERIODS.watch + 2 * PERIODS.renew)
    two.claim()
    assert not two.has_finished()
    assert one.has_finished()


def test_on_one_disk_one_that_was_paused_stops(tmp_path):
    Takeover(lag=0)([tmp_path / "run"] * 2, tmp_path)
