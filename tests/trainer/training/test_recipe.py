"""What a recipe makes of its flags on the devices there are."""

import json
import pathlib
import subprocess
import sys

import pytest

from trainer.training import recipe


@pytest.mark.parametrize(
    ("kind", "compiled"),
    [
        ("cpu", {None: False, True: True, False: False}),
        ("gpu", {None: True, True: True, False: False}),
        ("tpu", {None: False, True: False, False: False}),
    ],
)
def test_xla_is_used_where_it_is_faster(kind, compiled):
    for xla, used in compiled.items():
        assert recipe.uses_xla(xla, kind=kind) is used


def test_a_cpu_gets_what_is_fast_on_it():
    """Kernels with fast gradients in bfloat16, and a compiled augmentation."""
    root = pathlib.Path(recipe.__file__).parents[2]
    code = """
import json
from absl import flags
from ahead import export
size = ["--input_height=64", "--input_width=64"]
flags.FLAGS(
    ["x", "--data_dir=x", "--workdir=x", "--backbone=resnet9", *size]
)
found = []
for kind, precision in (
    ("cpu", "mixed_bfloat16"), ("cpu", "float32"), ("gpu", "mixed_bfloat16")
):
    step, _ = export.make_step(kind, precision)
    kinds = [type(layer).__name__ for layer in step.core.layers]
    found.append([kinds.count("SmallMapConv2D"), step.compile_augmentation])
print(json.dumps(found))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{root}:{root / 'scripts'}", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [
        [3, True],
        [0, True],
        [0, False],
    ]
