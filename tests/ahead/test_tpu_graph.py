"""A run under TPUStrategy, with tensorflow-tpu, for a TPU not at hand."""

import json
import pathlib
import subprocess

import pytest
from ahead import environments

TRACES = pathlib.Path(__file__).parents[1] / "support" / "tpu_traces.py"


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("cores", [1, 2])
def test_a_tpu_has_a_kernel_for_every_op(tiny_records, cores):
    try:
        python = environments.make("tpu")
    except environments.MakeError as error:
        pytest.skip(str(error))
    done = subprocess.run(
        [python, TRACES, tiny_records, str(cores)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    parts = json.loads(done.stdout.splitlines()[-1])
    assert parts.keys() == {"loop", "evaluation", "hand-over"}
    for found in parts.values():
        assert found["types"] > 20
        assert found["without_kernel"] == []
