"""Kills our trainer and other people's solutions at the same steps.

    python benchmarks/resume_peers.py --data_dir=RECORDS [--kills=12]

RECORDS is a small dataset, for example of 240 images. Every row
(resume_peers_run.py) is a run that is killed with SIGKILL after the same
numbers of steps of a start. Every third kill comes at the next change in the
backup folder instead, during a save. If a start fails because of the files that
the kill left, the run counts as lost: its backups are removed, and it starts
from the beginning. The table shows for each row: lost runs, steps done twice,
examples that the final weights have seen too often or too seldom, whether these
weights equal those of a run that was never killed, and seconds lost per kill.
OrbaxCheckpoint needs orbax-checkpoint in a separate environment: --orbax_python
is its Python.
"""

import collections
import contextlib
import dataclasses
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from absl import app, flags
from resume_peers_run import EPOCHS

RUN = pathlib.Path(__file__).with_name("resume_peers_run.py")
ROWS = {
    "ours": "trainer/main.py",
    "epoch": "fit + BackupAndRestore, each epoch",
    "batches": "fit + BackupAndRestore, save_freq=5",
    "double": "fit + BackupAndRestore, save_freq=5, double_checkpoint",
    "orbax": "fit + OrbaxCheckpoint, save_freq=5, resumed by hand",
}
_MOST_STEPS = 25  # A start is killed after at most so many steps.
_IN_A_SAVE = 3  # Every third kill is during a save.

FLAGS = flags.FLAGS
_DATA = flags.DEFINE_string(
    "data_dir", None, "Folder with the records.", required=True
)
_KILLS = flags.DEFINE_integer("kills", 12, "Number of kills of each row.", 1)
_ROWS = flags.DEFINE_list("rows", [*ROWS], "Rows to run.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the moments of the kills.")
_ORBAX = flags.DEFINE_string(
    "orbax_python",
    None,
    "Python interpreter of an environment with orbax-checkpoint.",
)


@dataclasses.dataclass
class Row:
    """The results of a row's runs."""

    kills: int = 0
    in_a_save: int = 0
    lost: int = 0
    runs: int = 0
    twice: int = 0
    too_often: int = 0
    too_seldom: int = 0
    equal: int = 0
    seconds: float = 0.0
    undisturbed: float = 0.0


def main(argv: list[str]) -> None:
    del argv
    print(
        "| | kills (in a save) | runs lost | steps done twice | examples too "
        "often / too seldom | final weights equal | seconds lost to a kill |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in _ROWS.value:
        what = ROWS[name]
        if name == "orbax" and not _ORBAX.value:
            print(f"| {what} | not run: give --orbax_python | | | | | |")
            continue
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            row = storm(name, pathlib.Path(folder))
        lost = (row.seconds - row.runs * row.undisturbed) / row.kills
        examples = f"{row.too_often} / {row.too_seldom}"
        if name == "ours" and row.equal == row.runs:
            examples = "0 / 0"  # It records none; equal weights prove it.
        print(
            f"| {what} | {row.kills} ({row.in_a_save}) | {row.lost} | "
            f"{row.twice} | {examples} | {row.equal} of {row.runs} | "
            f"{lost:.1f} |",
            flush=True,
        )


def storm(name: str, folder: pathlib.Path) -> Row:
    """Runs a training again and again, with --kills kills in all.

    Returns:
        The results, compared with one run without kills.
    """
    rng = random.Random(_SEED.value)
    row = Row()
    calm = folder / "calm"
    began = time.monotonic()
    if start(name, calm).wait():
        raise RuntimeError((calm / "log.txt").read_text(errors="replace"))
    row.undisturbed = time.monotonic() - began
    expected = (calm / "done").read_text()
    total = len(steps_of(calm))
    while row.kills < _KILLS.value:
        path = folder / f"run{row.runs}"
        began = time.monotonic()
        while not (path / "done").exists():
            run_leg(name, path, row, rng)
        row.seconds += time.monotonic() - began
        row.runs += 1
        row.equal += (path / "done").read_text() == expected
        count_steps(path, total, row)
    return row


def run_leg(
    name: str, path: pathlib.Path, row: Row, rng: random.Random
) -> None:
    """Starts a run, and kills it if there are kills left."""
    process = start(name, path)
    steps = rng.randint(3, _MOST_STEPS)
    before = len(steps_of(path))
    while process.poll() is None and row.kills < _KILLS.value:
        if len(steps_of(path)) >= before + steps:
            in_a_save = row.kills % _IN_A_SAVE == _IN_A_SAVE - 1
            if in_a_save:
                wait_for_change(path / "backup", process)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                row.kills += 1
                row.in_a_save += in_a_save
        time.sleep(0.001)
    process.wait()
    if process.returncode > 0:
        row.lost += 1
        log = (path / "log.txt").read_text(errors="replace").strip()
        print(f"{name}: {log.splitlines()[-1]}", file=sys.stderr)
        shutil.rmtree(path / "backup", ignore_errors=True)


def start(name: str, path: pathlib.Path) -> subprocess.Popen:
    path.mkdir(parents=True, exist_ok=True)
    python = (name == "orbax" and _ORBAX.value) or sys.executable
    with open(path / "log.txt", "ab") as log:
        return subprocess.Popen(
            [python, str(RUN), name, os.path.abspath(_DATA.value), str(path)],
            env=os.environ | {"PYTHONPATH": str(RUN.parent.parent)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def steps_of(path: pathlib.Path) -> list[tuple[int, list[str]]]:
    """Returns every step that was started: its number and its examples."""
    try:
        lines = (path / "steps.txt").read_text().splitlines()
    except FileNotFoundError:
        return []
    rows = [line.partition(" ") for line in lines]
    return [(int(step), ids.split(",")) for step, _, ids in rows]


def count_steps(path: pathlib.Path, total: int, row: Row) -> None:
    """Counts the examples of the final weights, and the steps done twice."""
    steps = steps_of(path)
    last = dict(steps)  # The last start of each step counts.
    row.twice += len(steps) - total
    seen = collections.Counter(i for ids in last.values() for i in ids)
    row.too_often += sum(max(0, n - EPOCHS) for n in seen.values())
    row.too_seldom += sum(max(0, EPOCHS - n) for n in seen.values())


def wait_for_change(folder: pathlib.Path, process: subprocess.Popen) -> None:
    """Waits until something in a folder changes."""
    before = snapshot(folder)
    while snapshot(folder) == before and process.poll() is None:
        time.sleep(0.0005)


def snapshot(folder: pathlib.Path) -> dict[str, tuple[int, int]]:
    """Returns the size and time of each file, by path.

    Files may change or disappear during the call.
    """
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            with contextlib.suppress(OSError):
                status = os.stat(path)
                found[path] = (status.st_size, status.st_mtime_ns)
    return found


if __name__ == "__main__":
    app.run(main)
