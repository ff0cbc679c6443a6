"""Runs commands of the project from a notebook, and shows that they live.

Whoever runs the notebook may stop a cell that shows nothing for 30 s, as
Google's Colab CLI does. So a line comes after 15 s without another one.
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
    """Runs Python with arguments, and shows what it prints as it comes.

    Args:
        *arguments: A script of this project and its flags, or "-m" and a
            module.

    Raises:
        SystemExit: The command failed; it has said why.
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
        for line in process.stdout:
            print(line, end="", flush=True)
            beat()
    if process.returncode:
        raise SystemExit(f"{name} ended with {process.returncode}: see above")


def output_of(*arguments: object) -> str:
    """Runs a script of this project; returns what it prints on stdout.

    Raises:
        SystemExit: It failed, with the last line that it wrote on stderr.
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
    """Shows a line whenever nothing else was shown for a while.

    Args:
        what: What is going on, for the line.

    Yields:
        What to call when something else was shown.
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
    """Installs what this machine lacks for the project; often nothing."""
    name = "requirements-tpu.txt" if has_tpu() else "requirements.txt"
    missing = find_missing(ROOT / name)
    if missing:
        print(f"installing {', '.join(missing)}")
        run("-m", "pip", "install", "-q", *missing)


def has_tpu(nodes: pathlib.Path = pathlib.Path("/dev")) -> bool:
    """Returns whether the machine has a TPU's device files."""
    return any(nodes.glob("accel[0-9]*")) or any(nodes.glob("vfio/[0-9]*"))


def find_missing(path: pathlib.Path) -> list[str]:
    """Returns the requirements of a file that are not installed.

    Args:
        path: A requirements file; it may name others with -r. This project
            itself, "-e .", is found without being installed.
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
