"""Kills a training run at random moments until it ends, again and again.

  python scripts/storm.py --data_dir=RECORDS --output_dir=DIR --kills=100

Each run is compared with one that was never killed: by final_state_sha256,
metrics.csv and model.keras (configuration and arrays). The backups go through
a mount that uploads later (drive_mount.py); every few kills the mount and
what it had not uploaded are lost with the trainer, as when Colab takes a
machine away. A start that is refused, because no backup had arrived before, is
made again with --restart. The last line is a JSON object; exit code 1 if a run
differs.
"""

import argparse
import hashlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile

import drive_mount
import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
RECIPE = [
    "--backbone=small",
    "--epochs=12",
    "--global_batch_size=16",
    "--early_stopping_epochs=8",
    "--accelerator=cpu",
]
# By kind of moment, how often it is drawn.
MOMENTS = {
    "any time": 5,
    "writing the archive": 2,
    "archive without manifest": 2,
    "after a manifest": 1,
    "after an evaluation": 1,
    "in the final export": 1,
}


def main() -> int:
    args = parse_args()
    args.data_dir = os.path.abspath(args.data_dir)
    folder = pathlib.Path(args.output_dir).resolve()
    folder.mkdir(parents=True)
    began = time.monotonic()
    calm = Run(args, folder / "calm", folder / "calm" / "backup")
    seconds = calm.to_the_end()
    expected = fingerprint(calm.workdir)
    print(f"uninterrupted run: {seconds:.0f} s, {expected}", flush=True)
    rng = random.Random(args.seed)
    kills, resets, rounds, wrong = [], 0, 0, 0
    refusals_in_all = 0
    while len(kills) < args.kills:
        round_dir = folder / f"round{rounds}"
        with drive_mount.DriveMount(round_dir, write_back=1.0) as drive:
            run = Run(args, round_dir / "work", drive.path / "backup")
            while len(kills) < args.kills or not run.finished:
                if run.finished and rng.random() < 0.5:
                    break
                moment = draw_moment(rng, run, seconds)
                if len(kills) >= args.kills:
                    moment = None
                refusals = run.refusals
                survived = run.leg(rng, moment)
                if survived or run.refusals > refusals:
                    continue
                kills.append(moment[0])
                if len(kills) % args.reset_every == 0:
                    resets += 1
                    time.sleep(rng.uniform(0, 2.0))
                    drive.reset()
                    shutil.rmtree(run.workdir, ignore_errors=True)
                    drive.mount()
            got = fingerprint(run.workdir)
        rounds += 1
        refusals_in_all += run.refusals
        wrong += got != expected
        print(f"round {rounds}: {len(run.legs)} legs, {got}", flush=True)
    counts = {name: kills.count(name) for name in sorted(set(kills))}
    result = {
        "kills": len(kills),
        "resets": resets,
        "runs": rounds,
        "refused_starts": refusals_in_all,
        "runs_that_differ": wrong,
        "moments": counts,
        "seconds": round(time.monotonic() - began),
        "expected": expected,
    }
    print(json.dumps(result), flush=True)
    return 1 if wrong else 0


class Run:
    """A training run, leg by leg."""

    def __init__(self, args, workdir, backup):
        self.args = args
        self.workdir = workdir
        self.backup = backup
        self.finished = False
        self.legs = []
        self._refused = False
        self.refusals = 0  # Starts that found no backup where there were some.

    def to_the_end(self) -> float:
        """Runs without a kill; returns seconds."""
        began = time.monotonic()
        self.leg(random.Random(0), None)
        return time.monotonic() - began

    def leg(self, rng, moment) -> bool:
        """Runs a leg; returns whether it came to its end.

        Args:
            rng: Draws what may change from leg to leg.
            moment: (name, function that says that it has come), or None.
        """
        log = self.workdir.parent / f"{self.workdir.name}-{len(self.legs)}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            str(ROOT / "trainer" / "main.py"),
            f"--data_dir={self.args.data_dir}",
            f"--workdir={self.workdir}",
            f"--backup_dir={self.backup}",
            *RECIPE,
            *self.args.flags,
            f"--steps_per_loop={rng.choice([0, 1, 3, 7])}",
            f"--num_parallel_calls={rng.choice([0, 1, 4])}",
            f"--backup_every_steps={rng.choice([4, 7, 15])}",
            *(["--restart"] if self._refused else []),
        ]
        env = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        with open(log, "wb") as sink:
            process = subprocess.Popen(
                command,
                stdout=sink,
                stderr=sink,
                cwd=ROOT,
                env=env,
                start_new_session=True,
            )
        self._refused = False
        self.legs.append(moment and moment[0])
        while process.poll() is None:
            if moment and moment[1]():
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return False
            time.sleep(0.002)
        # A machine was lost before its first backup had arrived.
        self._refused = process.returncode == 1 and (
            "give --restart" in log.read_text("utf-8", "replace")
        )
        if self._refused:
            self.refusals += 1
            return False
        if process.returncode:
            raise RuntimeError(f"{log}: exit code {process.returncode}")
        self.finished = True
        return True


def draw_moment(rng, run, seconds):
    """Returns the name of a moment to kill at, and a check that it came."""
    names, weights = zip(*MOMENTS.items(), strict=True)
    name = rng.choices(names, weights)[0]
    if run.finished:
        name = "after the finish"
    end = time.monotonic() + rng.uniform(0.1, 1.0) * seconds
    # Some moments never come in a leg: none lasts longer than a whole run.
    last = time.monotonic() + seconds
    staging, rows = run.workdir / "staging", _rows(run.workdir)
    manifests = _count(run.backup, "json")

    def came():
        if name in ("any time", "after the finish"):
            return time.monotonic() >= end
        if time.monotonic() >= last:
            return True
        if name == "writing the archive":
            return any(staging.glob("save-*.zip"))
        if name == "archive without manifest":
            return _count(run.backup, "zip") > _count(run.backup, "json")
        if name == "after a manifest":
            return _count(run.backup, "json") > manifests
        if name == "after an evaluation":
            return _rows(run.workdir) > rows
        return (run.backup / "final").exists()

    return name, came


def _count(folder, kind):
    try:
        return sum(
            n.startswith("backup-") and n.endswith(kind)
            for n in os.listdir(folder)
        )
    except OSError:
        return 0


def _rows(workdir):
    try:
        return (workdir / "metrics.csv").read_text().count("\n")
    except OSError:
        return 0


def fingerprint(workdir: pathlib.Path) -> dict:
    """Returns digests of all that a run's end must not depend on."""
    summary = json.loads((workdir / "summary.json").read_text())
    if not summary["finished"]:
        raise RuntimeError(f"{workdir} is not finished")
    metrics = (workdir / "metrics.csv").read_bytes()
    scores = {k: v for k, v in summary.items() if k in ("score", "judged")}
    text = json.dumps(scores, sort_keys=True).encode()
    return {
        "final_state_sha256": summary["final_state_sha256"],
        "metrics_csv": hashlib.sha256(metrics).hexdigest()[:16],
        "model_keras": model_digest(workdir / "model.keras")[:16],
        "scores": hashlib.sha256(text).hexdigest()[:16],
    }


def model_digest(path: pathlib.Path) -> str:
    """Returns a digest of a model's configuration, card and arrays."""
    digest = hashlib.sha256()

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            value = np.ascontiguousarray(item[()])
            digest.update(f"{name} {value.dtype} {value.shape}".encode())
            digest.update(value.tobytes())

    with zipfile.ZipFile(path) as archive:
        for name in ("config.json", "dataset.json"):
            digest.update(archive.read(name))
        with (
            archive.open("model.weights.h5") as file,
            h5py.File(file, "r") as weights,
        ):
            weights.visititems(visit)
    return digest.hexdigest()


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data_dir", required=True, help="a small dataset")
    parser.add_argument("--output_dir", required=True, help="a new folder")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reset_every", type=int, default=4)
    parser.add_argument("flags", nargs="*", help="-- further trainer flags")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
