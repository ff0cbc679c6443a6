"""The same losses for any number of replicas and parts: --norm_group."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny_training

from trainer.models import example_dropout

_STEPS = 20
_LEG = """
import json, sys
import numpy as np
import tensorflow as tf
records, backbone, rate, before, after = sys.argv[1:6]
replicas, parts, first, half, last = map(int, sys.argv[6:])
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * replicas)
import tiny_training
devices = [f"CPU:{i}" for i in range(replicas)]
strategy = tf.distribute.MirroredStrategy(devices) if replicas > 1 else None
tiny = tiny_training.make(
    records, strategy=strategy, backbone=backbone, size=(32, 32),
    batch_size=32, norm_group=8, parts=parts, peak=float(rate))
tiny.state.begin_leg(1, "a test", {})
if first:
    with np.load(before) as arrays:
        tiny.state.restore(arrays, tiny.state.document())
losses = []
for start, end in ((first, half), (half, last)):
    if end > start:
        losses += tiny_training.take(tiny, [end - start], first_step=start)[0]
    if end == half:
        np.savez(after, **tiny.state.arrays())
print(json.dumps(losses))
"""


def take_leg(records, folder, backbone, rate, replicas, parts, *steps):
    """Returns the losses of steps that a process of its own takes.

    Args:
        records: What to train on.
        folder: Of the states of a run by step; a leg that does not begin at
            step 0 goes on from one.
        backbone: The net.
        rate: Peak of the learning rate.
        replicas: Virtual devices.
        parts: Of each replica's batch.
        *steps: The first step, the one to save the state before, and the one
            to end before.
    """
    states = [folder / f"{step}.npz" for step in steps[:2]]
    arguments = (records, backbone, rate, *states, replicas, parts, *steps)
    done = subprocess.run(
        [sys.executable, "-c", _LEG, *map(str, arguments)],
        cwd=pathlib.Path(tiny_training.__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("backbone", "rate"),
    [
        ("small", 2e-3),
        pytest.param("resnet9", 2e-3, marks=pytest.mark.long),
    ],
)
def test_replicas_and_parts_do_not_change_the_losses(
    tiny_records, tmp_path, backbone, rate
):
    net = (tiny_records, tmp_path, backbone, rate)
    whole = take_leg(*net, 1, 1, 0, 0, _STEPS)
    assert len(whole) == _STEPS
    losses = take_leg(*net, 4, 1, 0, 7, _STEPS)
    np.testing.assert_allclose(losses, whole, atol=1e-5)
    # The run moves in mid-epoch.
    losses = take_leg(*net, 2, 2, 7, 14, _STEPS)
    np.testing.assert_allclose(losses, whole[7:], atol=1e-5)
    losses = take_leg(*net, 1, 4, 14, _STEPS, _STEPS)
    np.testing.assert_allclose(losses, whole[14:], atol=1e-5)


def test_dropout_is_a_written_out_function():
    """Of seed, step and index, on every device: these numbers never change."""
    step, first = tf.constant(3, tf.uint32), tf.constant(2, tf.uint32)
    whole = example_dropout.uniform([4, 5], key=7, step=step, first=first * 0)
    part = example_dropout.uniform([2, 5], key=7, step=step, first=first)
    np.testing.assert_array_equal(whole[2:], part)
    compiled = tf.function(
        lambda: example_dropout.uniform([4, 5], key=7, step=step, first=first),
        jit_compile=True,
    )
    np.testing.assert_array_equal(compiled()[:2], part)
    golden = [0.9302403330802917, 0.9017106294631958]
    assert part[:, 0].numpy().tolist() == golden
    many = example_dropout.uniform([200, 500], key=1, step=step, first=first)
    assert abs(np.mean(many) - 0.5) < 2e-3
    assert abs(np.var(many) - 1 / 12) < 1e-3
    for axis in (0, 1):  # Neither examples nor elements repeat each other.
        assert np.unique(many, axis=axis).shape == many.shape
        means = np.mean(many, axis=axis)
        expected = (1 / 12 / many.shape[axis]) ** 0.5
        assert 0.8 < np.std(means) / expected < 1.2
