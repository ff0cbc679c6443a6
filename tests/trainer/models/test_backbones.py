"""Every backbone takes a step, and its served model gives the same logits."""

import cores
import numpy as np
import pytest
import tiny_training

from tfrecord_builder.records import dataset_info
from trainer.models import backbones, model_file, network
from trainer.models.preprocessing import Preprocessing

OWN = {"tiny", "small", "resnet9"}


@pytest.mark.parametrize("name", sorted(OWN))
def test_our_own_nets_learn(tiny_records, name):
    tiny = tiny_training.make(tiny_records, backbone=name, size=(32, 32))
    losses, finite = tiny_training.take(tiny, [12])
    assert all(finite)
    assert np.mean(losses[-4:]) < np.mean(losses[:4])


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(set(backbones.BACKBONES) - OWN))
def test_each_keras_cv_net_trains_and_can_be_handed_over(
    tiny_records, tmp_path, name
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
