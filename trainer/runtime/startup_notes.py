"""Keeps TensorFlow's notes that say nothing to a user off stderr.

TensorFlow's C++ parts write to file descriptor 2 before any setting of
TensorFlow 2.19 to 2.21 is heard (TF_CPP_MIN_LOG_LEVEL too). While it is
imported and looks for devices, or converts a model, stderr goes through a
process that leaves out the lines of _NOTES, and passes on every other one, also
if this process aborts in the middle. It can go when TensorFlow heeds that
variable again.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

_NOTES = (
    rb"^WARNING: All log messages before absl::InitializeLog\(\) is called",
    rb"^I0000 .*\bport\.cc:.*oneDNN custom operations are on",
    # Two libraries register the same thing: TensorFlow 2.18 and 2.19 on GPUs.
    rb"\bUnable to register cu\w+ factory: Attempting to register",
    rb"^W0000 .*computation placer already registered",
    # Options that the converter's own caller in TensorFlow sets.
    rb"^W0000 .*\btf_tfl_flatbuffer_helpers\.cc:.*Ignored \w+\.$",
    # What TensorFlow 2.19 tells of the optimiser that the ONNX converter runs.
    rb"^I0000 .*\bdevices\.cc:.*Number of eligible GPUs",
    rb"^I0000 .*\bsingle_machine\.cc:.*Starting new session",
)
# Notes where there is no NVIDIA GPU; where there is one, it is not used.
_NOTES_WITHOUT_GPU = (
    rb"\bcudart_stub\.cc:.*Could not find cuda drivers",
    rb"\bcuda_\w+\.cc:.*failed call to cuInit",
)
_GPU = "/dev/nvidiactl"


@contextlib.contextmanager
def left_out() -> Iterator[None]:
    """Leaves the notes out of what is written to stderr meanwhile.

    TF_CPP_MIN_LOG_LEVEL=0 asks for every line: then nothing is left out.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        yield
        return
    # A process and not a thread: it outlives an abort of this one.
    sieve = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__],
        stdin=subprocess.PIPE,
        stdout=2,
    )
    stderr = os.dup(2)
    os.dup2(sieve.stdin.fileno(), 2)
    sieve.stdin.close()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(stderr, 2)
        os.close(stderr)
        sieve.wait()


def is_note(line: bytes, *, gpu: bool) -> bool:
    """Returns whether a line says nothing to a user of a machine.

    Args:
        line: What TensorFlow wrote.
        gpu: Whether the machine has an NVIDIA GPU.
    """
    notes = _NOTES if gpu else _NOTES + _NOTES_WITHOUT_GPU
    return any(re.search(note, line) for note in notes)


def _sieve():
    """Copies stdin to stdout line by line, without the notes."""
    for number in (signal.SIGINT, signal.SIGTERM):  # It ends with its input.
        signal.signal(number, signal.SIG_IGN)
    gpu = os.path.exists(_GPU)
    for line in sys.stdin.buffer:
        if not is_note(line, gpu=gpu):
            os.write(1, line)


if __name__ == "__main__":
    _sieve()
