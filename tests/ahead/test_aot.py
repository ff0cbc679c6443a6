"""scripts/aot.py, the real command, on a net that compiles in seconds."""

import json
import pathlib
import subprocess
import sys

import pytest
from ahead import environments

ROOT = pathlib.Path(__file__).resolve().parents[2]
SMALL = ["--backbone=tiny", "--input_height=32", "--input_width=32"]
SMALL += ["--global_batch_size=16"]


def aot(*arguments):
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "aot.py", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset=t4"], "--target is missing"),
        (["--preset=t5", "--target=t4"], "choose one of cpu_15min"),
        (["--table", "--preset=t4"], "--table compiles every preset unchanged"),
        (["--preset=t4", "--target=k80"], "v5e|v6e|t4|l4|a100"),
    ],
)
def test_mistakes(arguments, message):
    done = aot(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert message in done.stderr.splitlines()[-1]


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("target", ["v5e", "t4"])
def test_a_small_step_is_compiled(target):
    for name in ("aot", *(["tpu"] if target == "v5e" else [])):
        try:
            environments.make(name)
        except environments.MakeError as error:
            pytest.skip(str(error))
    done = aot("--preset=t4", f"--target={target}", "--", *SMALL)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result.keys() == {
        "target",
        "preset",
        "batch",
        "argument_gb",
        "temp_gb",
        "device_gb",
        "fits",
        "images_per_second",
        "compile_seconds",
    }
    assert (result["target"], result["batch"]) == (target, 16)
    assert result["fits"]
    assert result["images_per_second"] > 1000
    assert "limit:" in done.stdout
