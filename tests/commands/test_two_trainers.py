"""Two real trainers into one backup folder: one ends the run, undisturbed.

As tests/storage/ownership/test_two_owners.py does with the lease alone.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import drive_mount  # noqa: E402

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        drive_mount.why_not() is not None,
        reason=f"no FUSE mount: {drive_mount.why_not()}",
    ),
]
SCALE = 20.0
WATCH = 60.0 / SCALE
FLAGS = (
    "--accelerator=cpu",
    "--backbone=tiny",
    "--epochs=40",
    "--global_batch_size=8",
    "--seed=3",
    "--steps_per_loop=1",
    "--backup_every_steps=3",
    "--num_parallel_calls=1",
)


class Trainer:
    def __init__(self, records, backup_dir, workdir, *, step_seconds=0.15):
        self.workdir = workdir
        self.log = workdir.with_suffix(".log")
        with open(self.log, "wb") as sink:
            self.process = subprocess.Popen(
                [sys.executable, ROOT / "tests/support/trainer_machine.py"]
                + [f"machine {workdir.name}", str(SCALE), str(step_seconds)]
                + [f"--data_dir={records}", f"--workdir={workdir}"]
                + [f"--backup_dir={backup_dir}", *FLAGS],
                stdout=sink,
                stderr=sink,
                env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
            )

    def text(self):
        return self.log.read_text(errors="replace")

    def wait_for(self, text):
        while text not in self.text() and self.process.poll() is None:
            time.sleep(0.05)
        assert text in self.text()

    def has_finished(self):
        code = self.process.wait(300)
        text = self.text()
        assert "Traceback" not in text
        assert "BACKUP FAILED" not in text
        if code == 0:
            return True
        assert code == 1, text
        last = text.strip().splitlines()[-1]
        assert " is in use: " in last or " was taken over by " in last, text
        return False

    def result(self):
        summary = json.loads((self.workdir / "summary.json").read_text())
        assert summary["finished"]
        metrics = (self.workdir / "metrics.csv").read_text()
        return summary["final_state_sha256"], metrics


@pytest.fixture(scope="module")
def calm(tiny_records, tmp_path_factory):
    """The result of a run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("calm")
    trainer = Trainer(
        tiny_records, folder / "backup", folder / "calm", step_seconds=0
    )
    assert trainer.has_finished()
    return trainer.result()


@pytest.fixture
def mounts(tmp_path, request):
    """Two machines' mounts of one store; files are seen late."""
    lag = request.getfixturevalue("lag")
    options = {"write_back": lag / SCALE, "store": tmp_path / "store"}
    with (
        drive_mount.DriveMount(tmp_path / "a", dir_cache=0.2, **options) as a,
        drive_mount.DriveMount(tmp_path / "b", dir_cache=0.2, **options) as b,
    ):
        yield a.path / "run", b.path / "run"


@pytest.mark.parametrize(
    ("lag", "gap", "pauses"),
    [
        pytest.param(0, 0, None, marks=pytest.mark.by_hand),
        (5, 1, 0),
        pytest.param(30, 0, 1, marks=pytest.mark.by_hand),
        pytest.param(120, 3, None, marks=pytest.mark.by_hand),
    ],
)
def test_of_two_starts_one_goes_on(
    tiny_records, tmp_path, mounts, calm, lag, gap, pauses
):
    trainers = []
    for k, folder in enumerate(mounts):
        trainers.append(Trainer(tiny_records, folder, tmp_path / f"work{k}"))
        if k == 0:
            time.sleep(gap)
    if pauses is not None:
        paused = trainers[pauses]
        while "Starting at" not in paused.text() and (
            paused.process.poll() is None
        ):
            time.sleep(0.05)
        paused.process.send_signal(signal.SIGSTOP)
        time.sleep(lag / SCALE + 2 * WATCH)
        paused.process.send_signal(signal.SIGCONT)
    finished = [trainer.has_finished() for trainer in trainers]
    assert sorted(finished) == [False, True]
    assert trainers[finished.index(True)].result() == calm


@pytest.mark.parametrize("lag", [30])
def test_one_that_was_paused_leaves_the_run_to_its_successor(
    tiny_records, tmp_path, mounts, calm, lag
):
    first = Trainer(tiny_records, mounts[0], tmp_path / "work0")
    while not list(mounts[0].glob("backup-*.json")):
        time.sleep(0.05)
    time.sleep(lag / SCALE)
    first.process.send_signal(signal.SIGSTOP)
    time.sleep(lag / SCALE)
    second = Trainer(tiny_records, mounts[1], tmp_path / "work1")
    second.wait_for("this is leg 2")
    time.sleep(lag / SCALE + WATCH)
    first.process.send_signal(signal.SIGCONT)
    assert not first.has_finished()
    assert second.has_finished()
    assert second.result() == calm
    assert not (tmp_path / "work0" / "summary.json").exists()
