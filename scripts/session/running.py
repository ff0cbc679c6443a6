"""Runs commands of the project from a notebook, and shows that they run.

Some tools stop a cell that shows nothing for 30 s, for example Google's Colab
CLI. So after 15 s without output a line is printed.
"""

import contextlib
import importlib.metadata
import os
import pathlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

from packaging.requirements import Requirement

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUIET_SECONDS = 15.0


def run(*arguments: object) -> None:
    """Runs Python with arguments, and shows its output at once.

    Args:
        *arguments: A script of this project and its flags, or "-m" and a
            module.

    Raises:
        SystemExit: The command failed; its output has the reason.
    """
    name = next(str(a) for a in arguments if a != "-m")
    with (
        subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=ROOT,
            env=_environment(),
        ) as process,
        alive(name) as beat,
    ):
        for line in process.stdout or ():
            print(line, end="", flush=True)
            beat()
    if process.returncode:
        raise SystemExit(f"{name} ended with {process.returncode}: see above")


def output_of(*arguments: object) -> str:
    """Runs a script of this project; returns its stdout.

    Raises:
        SystemExit: It failed; the message has the end of its stderr.
    """
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=_environment(),
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{arguments[0]}: {done.stderr.strip()[-500:]}")
    return done.stdout.strip()


@contextlib.contextmanager
def alive(what: str) -> Iterator[Callable[[], None]]:
    """Prints a line whenever there was no other output for a while.

    Args:
        what: The current work, for the line.

    Yields:
        A function to call after other output.
    """
    shown, done = threading.Event(), threading.Event()
    began = time.monotonic()

    def watch() -> None:
        while True:
            quiet = not shown.wait(QUIET_SECONDS)
            if done.is_set():
                return
            shown.clear()
            if quiet:
                passed = time.monotonic() - began
                print(f"… {what}: {passed:.0f} s so far", flush=True)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield shown.set
    finally:
        done.set()
        shown.set()
        thread.join()


def install() -> None:
    """Installs the packages that this machine lacks; often none."""
    name = "requirements-tpu.txt" if has_tpu() else "requirements.txt"
    missing = find_missing(ROOT / name)
    if missing:
        print(f"installing {', '.join(missing)}")
        run("-m", "pip", "install", "-q", *missing)


def has_tpu(nodes: pathlib.Path = pathlib.Path("/dev")) -> bool:
    """Returns whether the machine has a TPU's device files."""
    return any(nodes.glob("accel[0-9]*")) or any(nodes.glob("vfio/[0-9]*"))


def find_missing(path: pathlib.Path) -> list[str]:
    """Returns the requirements in a file that are not installed.

    Args:
        path: A requirements file; it may include others with -r. This project
            itself, "-e .", counts as installed.
    """
    missing = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            missing += find_missing(path.with_name(line[3:].strip()))
        elif line and line[0] not in "#-" and not _is_installed(line):
            missing.append(line)
    return missing


def _is_installed(line: str) -> bool:
    requirement = Requirement(line)
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return requirement.specifier.contains(version, prereleases=True)


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
