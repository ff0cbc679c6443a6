"""A training run that is started, killed and paused, or started twice."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECIPE = (
    "--backbone=small",
    "--epochs=12",
    "--global_batch_size=16",
    "--early_stopping_epochs=8",
    "--accelerator=cpu",
)
_REFUSAL_SECONDS = 120.0  # By then one of two trainers must be refused.
_LOOK_SECONDS = 0.002


class Victim:
    """A training run, leg by leg.

    Args:
        data_dir: The records.
        workdir: Its workdir.
        backup: Its backup folder.
        flags: More flags of the trainer.
        rng: Chooses the flags that may change between legs.

    Attributes:
        finished: Whether its last leg finished the run.
        legs: Number of legs so far.
        refusals: Number of starts that were refused because no backup had been
            uploaded.
        doubles: Number of second trainers that were started; each was refused.
    """

    def __init__(
        self,
        data_dir: pathlib.Path,
        workdir: pathlib.Path,
        backup: pathlib.Path,
        *,
        flags: Sequence[str],
        rng: random.Random,
    ) -> None:
        self.workdir = workdir
        self.backup = backup
        self.finished = False
        self.legs = self.refusals = self.doubles = 0
        self._data_dir = data_dir
        self._flags = flags
        self._rng = rng
        self._refused = False

    def leg(self, came: Callable[[], bool] | None, *, event: str = "") -> bool:
        """Runs a leg; returns whether it was killed.

        Args:
            came: Returns whether the moment to kill the leg has come; None: the
                leg is not killed.
            event: "two at once": another trainer is started at the same time.
                "paused": the leg is paused for a while, and another trainer is
                started during the pause.
        """
        self.finished = False
        process, log = self._start(self.workdir)
        if event == "two at once":
            process, log = self._race(process, log)
        elif event == "paused":
            self._pause(process, log)
        while process.poll() is None:
            if came and came():
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return True
            time.sleep(_LOOK_SECONDS)
        # A machine was lost before its first backup was uploaded.
        self._refused = process.returncode == 1 and (
            "give --restart" in log.read_text("utf-8", "replace")
        )
        if self._refused:
            self.refusals += 1
        elif process.returncode:
            raise RuntimeError(f"{log}: exit code {process.returncode}")
        else:
            self.finished = True
        return False

    def _start(
        self, workdir: pathlib.Path
    ) -> tuple[subprocess.Popen, pathlib.Path]:
        log = workdir.parent / f"{workdir.name}-{self.legs}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            str(ROOT / "trainer" / "main.py"),
            f"--data_dir={self._data_dir}",
            f"--workdir={workdir}",
            f"--backup_dir={self.backup}",
            *RECIPE,
            *self._flags,
            f"--steps_per_loop={self._rng.choice([0, 1, 3, 7])}",
            f"--num_parallel_calls={self._rng.choice([0, 1, 4])}",
            f"--backup_every_steps={self._rng.choice([4, 7, 15])}",
            *(["--restart"] if self._refused else []),
        ]
        self.legs += 1
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
        return process, log

    def _race(
        self, first: subprocess.Popen, log: pathlib.Path
    ) -> tuple[subprocess.Popen, pathlib.Path]:
        """Starts another trainer; returns the trainer that is not refused."""
        time.sleep(self._rng.choice([0.0, 0.1, 1.0]))
        other = self.workdir.with_name(f"{self.workdir.name}x")
        second, second_log = self._start(other)
        end = time.monotonic() + _REFUSAL_SECONDS
        while first.poll() is None and second.poll() is None:
            if time.monotonic() > end:
                raise RuntimeError(f"{log} and {second_log}: both train")
            time.sleep(_LOOK_SECONDS)
        self.doubles += 1
        if second.poll() is not None and _is_refused(second, second_log):
            return first, log
        if first.poll() is not None and _is_refused(first, log):
            self.workdir = other
            return second, second_log
        # The run was finished, or a backup is missing: see the first's log.
        second.wait()
        return first, log

    def _pause(self, process: subprocess.Popen, log: pathlib.Path) -> None:
        """Starts another trainer while the first is paused during its steps.

        Raises:
            RuntimeError: The other trainer was not refused.
        """
        while b" at step " not in log.read_bytes():  # Until its first step.
            if process.poll() is not None:
                return
            time.sleep(_LOOK_SECONDS)
        time.sleep(self._rng.uniform(0.0, 2.0))
        process.send_signal(signal.SIGSTOP)
        other = self.workdir.with_name(f"{self.workdir.name}y")
        second, second_log = self._start(other)
        second.wait()
        process.send_signal(signal.SIGCONT)
        if not _is_refused(second, second_log):
            raise RuntimeError(f"{second_log}: both train")
        self.doubles += 1


def _is_refused(process: subprocess.Popen, log: pathlib.Path) -> bool:
    """Returns whether a trainer ended because another one owns the folder."""
    text = log.read_text("utf-8", "replace")
    return process.returncode == 1 and (
        " is in use: " in text or " was taken over by " in text
    )
