"""Every backbone takes a step, and its served model gives the same logits."""

import backbone_names
import commands
import cores
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_training

from storage import UserError
from tfrecord_builder.records import dataset_info
from trainer.models import backbones, model_file, network
from trainer.models.preprocessing import Preprocessing


@pytest.fixture(scope="module")
def run_export():
    command = commands.Command("trainer.export")
    yield command
    command.close()


@pytest.mark.parametrize("name", sorted(backbone_names.OWN))
def test_our_own_nets_learn(tiny_records, name):
    tiny = tiny_training.make(tiny_records, backbone=name, size=(32, 32))
    losses, finite = tiny_training.take(tiny, [12])
    assert all(finite)
    assert np.mean(losses[-4:]) < np.mean(losses[:4])


@pytest.mark.parametrize("name", backbone_names.cases(backbone_names.OTHERS))
def test_each_library_net_trains_and_can_be_handed_over(
    tiny_records, tmp_path, run_export, name
):
    tiny = tiny_training.make(tiny_records, backbone=name, size=(32, 32))
    before = [w.numpy() for w in tiny.step.core.trainable_variables]
    _, finite = tiny_training.take(tiny, [2])
    assert finite == [True, True]
    moved = [
        not np.array_equal(w.numpy(), old)
        for w, old in zip(
            tiny.step.core.trainable_variables, before, strict=True
        )
    ]
    assert np.mean(moved) > 0.9
    info = dataset_info.read(tiny_records)
    outputs = {o.name: len(o.classes) for o in info.outputs}
    calibration = {n: [0.0] * count for n, count in outputs.items()}
    core = cores.build(name, outputs, dropout=0.2)
    for to, value in zip(core.weights, tiny.step.ema_core.weights, strict=True):
        to.assign(value)
    preprocess = Preprocessing(32, 32, crop=True)
    served = network.build_served(
        core,
        preprocess=preprocess,
        image_shape=(12, 16),
        calibration=calibration,
    )
    card = model_file.make_card(
        info,
        output_weights=dict.fromkeys(outputs, 1.0),
        calibration=calibration,
    )
    model_file.write(tmp_path / "model.keras", served, card)
    loaded, _ = model_file.read(tmp_path / "model.keras")
    images = np.random.default_rng(0).integers(0, 256, (2, 12, 16, 1), np.uint8)
    expected = tiny.step.ema_core(preprocess(images))
    for output, logits in loaded(images).items():
        np.testing.assert_allclose(logits, expected[output], atol=1e-4)
    # The command reads it in another process.
    path = tmp_path / "model.keras"
    done = run_export(f"--model={path}", "--format=saved_model")
    assert done.returncode == 0, done.stderr
    exported = tf.saved_model.load(str(tmp_path / "model_saved_model"))
    probabilities = exported.signatures["serving_default"](
        image=tf.constant(images)
    )
    for output, value in probabilities.items():
        softmax = tf.nn.softmax(expected[output])
        np.testing.assert_allclose(value, softmax, atol=1e-4)


@pytest.mark.long
@pytest.mark.parametrize("name", backbone_names.cases(backbone_names.LARGER))
def test_larger_sizes_build(name):
    images = keras.Input((64, 64, 1))
    features = backbones.feature_map(name, images)
    assert features.shape[:3] == (None, 2, 2)


def test_an_image_too_small_for_applications_is_one_line():
    with pytest.raises(UserError, match=r"32 x 32 .* got 48 x 16: give --inp"):
        backbones.feature_map(
            "applications_mobilenet_v3_small", keras.Input((48, 16, 1))
        )
