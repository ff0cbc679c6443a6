"""The train step: what it changes, when it stops, and what it does not see."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny_training

from tfrecord_builder.records import dataset_info
from trainer.models import heads


def test_loop_length_does_not_change_the_result(tiny_records):
    digests, losses = [], []
    for counts in ([1] * 7, [3, 4]):
        tiny = tiny_training.make(tiny_records)
        losses.append(tiny_training.take(tiny, counts)[0])
        digests.append(tiny.state.digest())
    assert losses[0] == losses[1]
    assert len(set(digests)) == 1
    assert min(losses[0][3:]) < losses[0][0]


def test_a_bad_step_leaves_no_trace(tiny_records):
    def explode(step):  # Step 2 ruins the weights; step 3 finds out.
        return tf.where(step == 2, np.float32(np.inf), np.float32(1e-3))

    whole, cut = (
        tiny_training.make(tiny_records, backbone="tiny", rate=explode)
        for _ in range(2)
    )
    tiny_training.take(whole, [3])
    losses, finite = tiny_training.take(cut, [6])
    assert finite == [True, True, True, False, False, False]
    assert not np.isfinite(losses[3])
    assert losses[4:] == [0, 0]
    assert cut.state.digest() == whole.state.digest()


def test_the_average_follows_the_weights_with_its_warm_up(tiny_records):
    tiny = tiny_training.make(tiny_records)
    core, ema = tiny.step.core, tiny.step.ema_core
    start = [v.numpy() for v in core.weights]
    np.testing.assert_equal([v.numpy() for v in ema.weights], start)
    tiny_training.take(tiny, [1])
    decay = min(0.9, 2 / 11)  # One step done: (1 + 1) / (10 + 1).
    for average, weight, old in zip(
        ema.weights, core.weights, start, strict=True
    ):
        expected = decay * old + (1 - decay) * weight.numpy()
        np.testing.assert_allclose(
            average.numpy(), expected, atol=1e-6, err_msg=weight.path
        )


def test_dropout_seeds_advance_and_are_state(tiny_records):
    tiny = tiny_training.make(tiny_records, backbone="tiny")
    seeds = [n for n in tiny.state.variables if "seed_generator_state" in n]
    assert len(seeds) == 1
    before = tiny.state.variables[seeds[0]].numpy()
    tiny_training.take(tiny, [2])
    after = tiny.state.variables[seeds[0]].numpy()
    assert (after - before).tolist() == [0, 2]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_reduced_precision_learns(tiny_records, policy):
    tiny = tiny_training.make(
        tiny_records, backbone="tiny", policy=policy, dropout=0.0
    )
    losses, finite = tiny_training.take(tiny, [20])
    assert all(finite)
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    assert all(v.dtype != "float16" for v in tiny.step.core.weights)


def test_a_loss_scale_too_large_is_halved_not_fatal(tiny_records):
    tiny = tiny_training.make(
        tiny_records, backbone="tiny", policy="mixed_float16"
    )
    tiny.step.loss_scale.variable.assign([2.0**126, 0.0])
    before = tiny.step.optimizer.iterations.numpy()
    _, finite = tiny_training.take(tiny, [2])
    assert finite == [True, True]
    assert tiny.step.loss_scale.variable.numpy().tolist() == [2.0**124, 0.0]
    assert tiny.step.optimizer.iterations.numpy() == before


def test_xla_compiles_the_same_step(tiny_records):
    """Static shapes and no Python op: what a TPU would ask for, on the CPU."""
    losses = []
    for xla in (False, True):
        tiny = tiny_training.make(
            tiny_records, backbone="tiny", dropout=0.0, xla=xla
        )
        losses.append(tiny_training.take(tiny, [4])[0])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)


def test_a_compiled_augmentation_is_the_same_step(tiny_records):
    plain, compiled = (
        tiny_training.make(
            tiny_records, backbone="tiny", compile_augmentation=compiles
        )
        for compiles in (False, True)
    )
    graph = tiny_training.trace(compiled).as_graph_def()
    assert sum(f.attr["_XlaMustCompile"].b for f in graph.library.function) == 1
    losses = [tiny_training.take(t, [4])[0] for t in (plain, compiled)]
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_the_grapheme_head_learns(tiny_records):
    graphemes = heads.make_graphemes(dataset_info.read(tiny_records))
    tiny = tiny_training.make(
        tiny_records, backbone="tiny", dropout=0.0, graphemes=graphemes
    )
    head = tiny.step.core.get_layer(heads.GRAPHEME)
    before = head.kernel.numpy()
    _, finite = tiny_training.take(tiny, [2])
    assert all(finite)
    assert np.abs(head.kernel.numpy() - before).min(axis=0).max() > 0


_REPLICAS = """
import json, sys
import tensorflow as tf
replicas, records = int(sys.argv[1]), sys.argv[2]
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * replicas)
import tiny_training
devices = [f"CPU:{i}" for i in range(replicas)]
strategy = tf.distribute.MirroredStrategy(devices) if replicas > 1 else None
tiny = tiny_training.make(
    records, strategy=strategy, backbone="tiny", dropout=0.0, batch_size=16)
losses, finite = tiny_training.take(tiny, [1, 4, 5])
print(json.dumps([losses, finite]))
"""


def test_replicas_compute_what_one_device_does(tiny_records):
    """On a net without batch normalisation and dropout, to 1e-5."""
    found = {}
    for replicas in (1, 2, 4):
        done = subprocess.run(
            [sys.executable, "-c", _REPLICAS, str(replicas), tiny_records],
            cwd=pathlib.Path(tiny_training.__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found[replicas], finite = json.loads(done.stdout.splitlines()[-1])
        assert all(finite)
    np.testing.assert_allclose(found[2], found[1], atol=1e-5)
    np.testing.assert_allclose(found[4], found[1], atol=1e-5)
