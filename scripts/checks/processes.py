"""Runs the project's commands, each in a process that owns the accelerator."""

import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
_SECONDS_PER_LINE = 15.0
_LAST_BYTES = 2000

Check = Callable[[Any], dict]


class NotRunError(Exception):
    """This check is impossible on this machine."""


class Process:
    """A running command.

    Args:
        script: Path from the root of the project.
        flags: Its flags.
        log: File for its stdout and stderr.
        env: Variables to add to the environment.
    """

    def __init__(
        self,
        script: str,
        *flags: str,
        log: pathlib.Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.log = log
        self._name = log.stem
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as sink:
            self._process = subprocess.Popen(
                [sys.executable, str(ROOT / script), *flags],
                stdout=sink,
                stderr=sink,
                cwd=ROOT,
                env=os.environ | dict(env or {}),
                start_new_session=True,
            )

    def wait(self, until: Callable[[], bool] | None = None) -> bool:
        """Waits until it ends; returns False if `until` became true before.

        Raises:
            RuntimeError: The command failed.
        """
        shown = time.monotonic()
        while self._process.poll() is None:
            if until and until():
                return False
            if time.monotonic() - shown > _SECONDS_PER_LINE:
                shown = time.monotonic()
                print(f"  {self._name}: {self._last_line()}", flush=True)
            time.sleep(0.01)
        if self._process.returncode:
            raise RuntimeError(
                f"{self.log}: exit code {self._process.returncode}: "
                f"{self._last_line()}"
            )
        return True

    def kill(self) -> None:
        """Kills the process at once, like the loss of a machine."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _last_line(self) -> str:
        with open(self.log, "rb") as file:
            file.seek(max(0, os.path.getsize(self.log) - _LAST_BYTES))
            lines = file.read().decode(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "…")


def run(script: str, *flags: str, log: pathlib.Path, **options: Any) -> str:
    """Runs a command until it ends; returns its output.

    Raises:
        RuntimeError: It failed.
    """
    Process(script, *flags, log=log, **options).wait()
    return log.read_text(encoding="utf-8", errors="replace")
