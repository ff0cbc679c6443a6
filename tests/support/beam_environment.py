"""Finds the environment of requirements-beam.txt, or makes it.

BEAM_PYTHON=/path/to/python names the interpreter of one that is there; else it
is made once, in .data/beam-venv, which takes about two minutes.
"""

import os

import pytest
from ahead import environments


def python() -> str:
    """Returns its interpreter; skips the test where it cannot be made."""
    try:
        return os.environ.get("BEAM_PYTHON") or environments.make("beam")
    except environments.MakeError as error:
        pytest.skip(str(error))
