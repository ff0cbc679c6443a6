"""Finds the environment of requirements-beam.txt, or makes it.

BEAM_PYTHON=/path/to/python names the interpreter of one that is there; else it
is made once, in .data/beam-venv, which takes about two minutes.
"""

import hashlib
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
_LISTS = ("requirements-beam.txt", "constraints-beam.txt")


def python() -> str:
    """Returns its interpreter; skips the test where it cannot be made."""
    named = os.environ.get("BEAM_PYTHON")
    if named:
        return named
    folder = ROOT / ".data" / "beam-venv"
    stamp, interpreter = folder / ".installed", folder / "bin" / "python"
    digest = hashlib.sha256(sys.version.encode())
    for name in _LISTS:
        digest.update((ROOT / name).read_bytes())
    if not stamp.exists() or stamp.read_text() != digest.hexdigest():
        _run(sys.executable, "-m", "venv", "--clear", folder)
        install = ["-m", "pip", "install", "--quiet"]
        install += ["--disable-pip-version-check", "--no-input"]
        _run(interpreter, *install, "-r", _LISTS[0], "-c", _LISTS[1])
        stamp.write_text(digest.hexdigest())
    return str(interpreter)


def _run(*command) -> None:
    done = subprocess.run(
        list(map(str, command)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason told"]
        pytest.skip(f"apache-beam cannot be installed here: {lines[-1]}")
