"""TensorFlow's start-up notes: which lines go, and that no other does."""

import os
import subprocess
import sys

import commands
import pytest

from trainer.runtime import startup_notes

NOTES = [
    b"WARNING: All log messages before absl::InitializeLog() is called are",
    b"I0000 00:00:1795.9 184 port.cc:153] oneDNN custom operations are on. You",
    b"E0000 00:00:1741.1 12 cuda_fft.cc:477] Unable to register cuFFT factory: "
    b"Attempting to register factory for plugin cuFFT when one has already",
    b"W0000 00:00:1741.1 12 computation_placer.cc:177] computation placer "
    b"already registered. Please check linkage",
    b"W0000 00:00:1795.7 8676 tf_tfl_flatbuffer_helpers.cc:364] Ignored "
    b"output_format.",
]
WITHOUT_GPU = [
    b"I0000 00:00:1795.9 184 cudart_stub.cc:31] Could not find cuda drivers on",
    b"E0000 00:00:1795.5 184 cuda_platform.cc:52] failed call to cuInit: INTER",
]
REAL = [
    b"E0000 00:00:1795.5 184 cuda_dnn.cc:522] Loaded runtime CuDNN library: 9",
    b"W0000 00:00:1795.5 184 gpu_device.cc:2344] Cannot dlopen some GPU",
    b"F0000 00:00:1795.5 184 cpu_feature_guard.cc:12] compiled to use AVX",
    b"Traceback (most recent call last):",
]


@pytest.mark.parametrize("gpu", [False, True])
def test_only_notes_are_left_out(gpu):
    def noted(lines):
        return [startup_notes.is_note(line, gpu=gpu) for line in lines]

    assert all(noted(NOTES))
    assert noted(WITHOUT_GPU) == [not gpu] * 2
    assert not any(noted(REAL))


PROGRAM = """
import os, sys
from trainer.runtime import startup_notes
with startup_notes.left_out():
    os.write(2, b"I0000 port.cc:1] oneDNN custom operations are on\\n")
    print("a real warning", file=sys.stderr)
    os.write(2, b"no newline at the end")
    {last}
print("; after", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("last", "level", "expected"),
    [
        ("pass", "1", "a real warning\nno newline at the end; after\n"),
        # An abort, as of a wheel for another CPU, loses no line.
        ("os.abort()", "1", "a real warning\nno newline at the end"),
        (
            "pass",
            "0",
            "I0000 port.cc:1] oneDNN custom operations are on\n"
            "a real warning\nno newline at the end; after\n",
        ),
    ],
)
def test_real_lines_arrive(tmp_path, last, level, expected):
    # The module alone, as the package imports TensorFlow.
    (tmp_path / "trainer").mkdir()
    source = commands.ROOT / "trainer/runtime/startup_notes.py"
    (tmp_path / "trainer" / source.name).write_bytes(source.read_bytes())
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(last=last)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": "", "TF_CPP_MIN_LOG_LEVEL": level},
        stderr=subprocess.PIPE,
        text=True,
    )
    # To its end: the sieve may outlive the process.
    assert process.stderr.read() == expected
    process.wait()
