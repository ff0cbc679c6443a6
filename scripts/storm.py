"""Kills training runs at random moments, again and again.

  python scripts/storm.py --data_dir=RECORDS --output_dir=DIR --kills=100

Each run is compared with a run that was never killed: final_state_sha256,
metrics.csv and model.keras (configuration and arrays). The backups are written
to a mount that uploads later (drive_mount.py). Every few kills the mount is
lost with the trainer, as when Colab takes a machine away: of the files that
wait for their upload, a random part has been uploaded. Sometimes a second
trainer is started with the first, or while the first is paused. A start that is
refused because no backup had been uploaded is repeated with --restart. The last
line is a JSON object; the exit code is 1 if a run differs.
"""

import argparse
import collections
import dataclasses
import json
import os
import pathlib
import random
import shutil
import sys
import time
from collections.abc import Callable

import drive_mount
from killing import moments
from killing.fingerprint import fingerprint
from killing.moments import Moments
from killing.victim import Victim

# Other events in a leg, with their relative frequencies.
_EVENTS = {"": 8, "two at once": 1, "paused": 1}


def main() -> int:
    args = parse_args()
    folder = pathlib.Path(args.output_dir).resolve()
    folder.mkdir(parents=True)
    storm = Storm(args, folder)
    storm.run_undisturbed()
    while sum(storm.kills.values()) < args.kills:
        storm.run_until_the_end()
    print(json.dumps(storm.result()), flush=True)
    return 1 if storm.wrong else 0


@dataclasses.dataclass
class Storm:
    """All runs, one after the other.

    Attributes:
        args: The command line.
        folder: The folder for all files.
        kills: Number of kills at each kind of moment.
        counts: Numbers of other events, by name.
        wrong: Number of runs that end differently.
    """

    args: argparse.Namespace
    folder: pathlib.Path
    kills: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )
    counts: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )
    wrong: int = 0

    def __post_init__(self) -> None:
        self.rng = random.Random(self.args.seed)
        self.began = time.monotonic()
        self.seconds = 0.0
        self.expected: dict[str, str] = {}

    def run_undisturbed(self) -> None:
        """Makes the run that all other runs are compared with."""
        began = time.monotonic()
        calm = self._victim(self.folder / "calm", self.folder / "calm/backup")
        calm.leg(None)
        self.seconds = time.monotonic() - began
        self.expected = fingerprint(calm.workdir)
        print(
            f"uninterrupted run: {self.seconds:.0f} s, {self.expected}",
            flush=True,
        )

    def run_until_the_end(self) -> None:
        """Makes one run, with kills until it ends."""
        folder = self.folder / f"run{self.counts['runs']}"
        with drive_mount.DriveMount(folder, write_back=1.0) as drive:
            run = self._victim(folder / "work", drive.path / "backup")
            while not run.finished or (
                self._kills_left() and self.rng.random() < 0.5
            ):
                self._leg(run, drive)
            got = fingerprint(run.workdir)
        self.wrong += got != self.expected
        self.counts["runs"] += 1
        self.counts["refused_starts"] += run.refusals
        self.counts["second_trainers_refused"] += run.doubles
        print(
            f"run {self.counts['runs']}: {run.legs} legs, "
            f"{'as expected' if got == self.expected else got}; "
            f"{sum(self.kills.values())} kills so far",
            flush=True,
        )

    def result(self) -> dict:
        """Returns the values that the last line of the output shows."""
        return {
            "kills": sum(self.kills.values()),
            **self.counts,
            "runs_that_differ": self.wrong,
            "moments": dict(self.kills),
            "seconds": round(time.monotonic() - self.began),
            "expected": self.expected,
        }

    def _leg(self, run: Victim, drive: drive_mount.DriveMount) -> None:
        """Runs a leg; kills it at a random moment while kills are left."""
        moment, event = None, ""
        if self._kills_left():
            moment = moments.AFTER_THE_FINISH
        if moment and not run.finished:
            moment = self._draw(moments.WEIGHTS)
            event = self._draw(_EVENTS)
        came = self._watch(run, moment) if moment else None
        if not run.leg(came, event=event):
            return
        self.kills[moment] += 1
        if sum(self.kills.values()) % self.args.reset_every == 0:
            self.counts["resets"] += 1
            time.sleep(self.rng.uniform(0, 2.0))
            self.counts["files_lost"] += drive.reset(self.rng)
            shutil.rmtree(run.workdir, ignore_errors=True)
            drive.mount()

    def _watch(self, run: Victim, moment: str) -> Callable[[], bool]:
        """Returns a function that reports whether a moment has come."""
        watches = []

        def came() -> bool:
            if not watches:  # The leg begins with the first call.
                watches.append(
                    Moments(
                        run.workdir,
                        run.backup,
                        seconds=self.seconds,
                        rng=self.rng,
                    )
                )
            return watches[0].came(moment)

        return came

    def _kills_left(self) -> int:
        return self.args.kills - sum(self.kills.values())

    def _draw(self, weights: dict[str, int]) -> str:
        return self.rng.choices([*weights], [*weights.values()])[0]

    def _victim(self, workdir: pathlib.Path, backup: pathlib.Path) -> Victim:
        return Victim(
            pathlib.Path(os.path.abspath(self.args.data_dir)),
            workdir,
            backup,
            flags=self.args.flags,
            rng=self.rng,
        )


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
