"""Every command chooses its devices before it touches TensorFlow.

On a GPU memory growth can be set only before TensorFlow's context is there,
and a model that is loaded outside a strategy's scope is not on its devices. A
GPU that is not there is faked, up to the moment when it would be used.
"""

import subprocess
import sys

import commands
import pytest

PROGRAM = """
import sys
import tensorflow as tf
from tensorflow.python.eager import context
from trainer.runtime import devices

class Growth(Exception):
    pass

def set_memory_growth(gpu, value):
    print("context", context.context()._context_handle is not None)
    raise Growth

tf.config.get_visible_devices = lambda kind: ["a GPU"]
tf.config.experimental.set_memory_growth = set_memory_growth
sys.argv = sys.argv[1:]
name = sys.argv[0].replace("/", ".").removesuffix(".py")
__import__(name)
sys.modules[name].run()
"""


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        ("trainer/main.py", ["--data_dir={records}", "--workdir={folder}/w"]),
        (
            "trainer/evaluate.py",
            ["--model=x.keras", "--data_dir={records}", "--output=x"],
        ),
        (
            "trainer/predict.py",
            ["--model=x.keras", "--input_dir=x", "--output={folder}/x.csv"],
        ),
    ],
)
def test_memory_growth_comes_first(tiny_records, tmp_path, command, flags):
    flags = [f.format(records=tiny_records, folder=tmp_path) for f in flags]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, command, *flags],
        cwd=commands.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Growth" in done.stderr, done.stderr
    assert done.stdout.endswith("context False\n"), done.stdout
