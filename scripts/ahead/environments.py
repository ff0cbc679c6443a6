"""Virtual environments in .data/, separate from the project's own.

python = environments.make("beam")    # its interpreter
"""

import hashlib
import pathlib
import subprocess
import sys
from collections.abc import Sequence

ROOT = pathlib.Path(__file__).resolve().parents[2]
# By name: the requirements, and the constraints if there is such a file.
FILES = {
    "beam": ("requirements-beam.txt", "constraints-beam.txt"),
    "tpu": ("requirements-tpu.txt", "constraints-tpu.txt"),
    "aot": ("requirements-aot.txt",),
}


class MakeError(Exception):
    """An environment could not be made; the message is one line."""


def exists(name: str) -> bool:
    """Returns whether an environment exists and has the files' requirements."""
    stamp = _folder(name) / ".installed"
    return stamp.exists() and stamp.read_text() == _digest(name)


def make(name: str) -> str:
    """Returns the interpreter of an environment; makes it if necessary.

    Args:
        name: A key of FILES.

    Raises:
        MakeError: There is no network, or no such release for this Python.
    """
    folder = _folder(name)
    python = folder / "bin" / "python"
    if exists(name):
        return str(python)
    requirements, *constraints = FILES[name]
    _run(name, [sys.executable, "-m", "venv", "--clear", folder])
    install = [python, "-m", "pip", "install", "--quiet", "--no-input"]
    install += ["--disable-pip-version-check", "-r", requirements]
    _run(name, install + [part for c in constraints for part in ("-c", c)])
    (folder / ".installed").write_text(_digest(name))
    return str(python)


def _folder(name: str) -> pathlib.Path:
    return ROOT / ".data" / f"{name}-venv"


def _digest(name: str) -> str:
    """Returns a hash of the files that an installation depends on."""
    digest = hashlib.sha256(sys.version.encode())
    for file in FILES[name]:
        digest.update((ROOT / file).read_bytes())
    return digest.hexdigest()


def _run(name: str, command: Sequence[str | pathlib.Path]) -> None:
    done = subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise MakeError(
            f"the environment of {FILES[name][0]} cannot be made in "
            f"{_folder(name)}: {lines[-1]}"
        )
