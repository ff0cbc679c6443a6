"""Weights to start from: what is taken over, what is refused."""

import hashlib
import json
import pathlib

import cores
import keras
import numpy as np
import pytest

from storage import UserError
from tfrecord_builder.records import dataset_info
from trainer.models import (
    backbones,
    heads,
    initial_weights,
    model_file,
    network,
)
from trainer.models.preprocessing import Preprocessing
from trainer.runtime.run_state import RunState
from trainer.training.warm_start import WarmStart

WEIGHTS = pathlib.Path(initial_weights.__file__).with_name("weights")
OUTPUTS = {"grapheme_root": 4, "vowel_diacritic": 3, "consonant_diacritic": 2}


def build(seed, backbone="tiny", outputs=OUTPUTS, **options):
    return cores.build(backbone, outputs, seed=seed, **options)


@pytest.fixture(scope="module")
def graphemes(tiny_records):
    info = dataset_info.read(tiny_records)
    return heads.make_graphemes(info)


@pytest.fixture(scope="module")
def written(tiny_records, graphemes, tmp_path_factory):
    """A core with a grapheme head, and the model.keras made of it."""
    core = build(1, graphemes=graphemes)
    served = network.build_served(
        network.decode(core, graphemes),
        preprocess=Preprocessing(32, 32),
        image_shape=(12, 16),
        calibration={name: [0.0] * size for name, size in OUTPUTS.items()},
    )
    card = model_file.make_card(
        dataset_info.read(tiny_records),
        output_weights=dict.fromkeys(OUTPUTS, 1.0),
        calibration={},
    )
    path = tmp_path_factory.mktemp("model") / "model.keras"
    model_file.write(path, served, card)
    return core, str(path)


def start(nets, path, *, step=0):
    state = RunState({}, steps_per_epoch=9, step=step)
    callback = WarmStart(
        nets, state=state, read=lambda: initial_weights.read_model(path)
    )
    callback.on_train_begin()


def test_every_weight_is_taken_over(written, graphemes):
    core, path = written
    nets = [build(seed, graphemes=graphemes) for seed in (2, 3)]
    start(nets, path)
    for net in nets:
        np.testing.assert_equal(net.get_weights(), core.get_weights())


def test_a_head_of_other_classes_keeps_its_own(written):
    core, path = written
    net = build(2, outputs=OUTPUTS | {"vowel_diacritic": 5})
    before = net.get_layer("vowel_diacritic").get_weights()
    start([net], path)
    for name in ("conv0", "conv1", "grapheme_root"):
        np.testing.assert_equal(
            net.get_layer(name).get_weights(),
            core.get_layer(name).get_weights(),
        )
    np.testing.assert_equal(
        net.get_layer("vowel_diacritic").get_weights(), before
    )


def test_a_resumed_run_keeps_its_own(written):
    net = build(2)
    before = net.get_weights()
    start([net], "/nowhere", step=1)
    np.testing.assert_equal(net.get_weights(), before)


def test_another_net_is_refused(written):
    with pytest.raises(UserError, match="of another net: stage0"):
        start([build(2, backbone="small")], written[1])
    with pytest.raises(UserError, match="no model at /nowhere"):
        start([build(2)], "/nowhere")


def test_packed_weights_are_those_of_the_net(written, tmp_path, monkeypatch):
    core, path = written
    initial_weights.pack(
        initial_weights.read_model(path), tmp_path / "tiny.npz"
    )
    monkeypatch.setattr(initial_weights, "_OWN_WEIGHTS", tmp_path)
    net = build(2)
    # The net has no grapheme head to give its weights to.
    assert (
        initial_weights.assign(
            net, initial_weights.read_pretrained("tiny", net)
        )
        == []
    )
    for name in ("conv0", "vowel_diacritic"):
        for actual, expected in zip(
            net.get_layer(name).get_weights(),
            core.get_layer(name).get_weights(),
            strict=True,
        ):
            np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-6)


def test_the_weights_that_come_with_the_project_fit():
    classes = {
        "grapheme_root": 168,
        "vowel_diacritic": 11,
        "consonant_diacritic": 7,
    }
    core = build(0, backbone="resnet9", outputs=classes)
    weights = initial_weights.read_pretrained("resnet9", core)
    assert initial_weights.assign(core, weights) == []


@pytest.mark.parametrize("name", ["resnet50_v2", "applications_resnet50_v2"])
def test_imagenet_on_gray_images(monkeypatch, name):
    """What a colour net says of a gray image in its three channels."""
    colour = keras.Input((32, 32, 3))
    teacher = keras.Model(colour, backbones.BACKBONES[name](colour))
    (body,) = (x for x in teacher.layers if isinstance(x, keras.Model))
    monkeypatch.setattr(
        backbones, "PRETRAINED", backbones.PRETRAINED | {name: lambda: body}
    )
    core = build(2, backbone=name)
    fresh = initial_weights.assign(
        core, initial_weights.read_pretrained(name, core)
    )
    assert sorted(fresh) == sorted(OUTPUTS)
    gray = np.random.default_rng(0).random((1, 32, 32, 1), np.float32)
    (student,) = (x for x in core.layers if isinstance(x, keras.Model))
    np.testing.assert_allclose(
        student(gray), teacher(np.repeat(gray, 3, axis=-1)), atol=1e-4
    )


def test_imagenet_weights_come_from_the_libraries(monkeypatch):
    import keras_cv.models

    asked = {}
    monkeypatch.setattr(
        keras_cv.models.ResNetV2Backbone,
        "from_preset",
        lambda preset, load_weights: asked.update({preset: load_weights}),
    )
    monkeypatch.setattr(
        keras.applications,
        "ResNet50V2",
        lambda **options: asked.update(options),
    )
    backbones.PRETRAINED["resnet50_v2"]()
    backbones.PRETRAINED["applications_resnet50_v2"]()
    assert asked == {
        "resnet50_v2_imagenet": True,
        "include_top": False,
        "weights": "imagenet",
        "input_shape": (32, 32, 3),
    }


def test_no_network_and_no_weights_are_one_line(monkeypatch):
    import keras_cv.models

    def fail(preset, load_weights):
        raise ConnectionError("api.kaggle.com\nand a long story")

    monkeypatch.setattr(keras_cv.models.DenseNetBackbone, "from_preset", fail)
    with pytest.raises(UserError, match="needs a network") as caught:
        backbones.download("densenet121")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="no weights for .*small, only"):
        initial_weights.read_pretrained("small", build(2, backbone="small"))


def test_the_weights_of_the_project_are_small_and_of_known_origin():
    """The note beside them says how they were made, and with which fonts."""
    data = (WEIGHTS / "resnet9.npz").read_bytes()
    note = json.loads((WEIGHTS / "resnet9.json").read_bytes())
    assert len(data) < 5_000_000
    assert note["sha256"] == hashlib.sha256(data).hexdigest()
    assert {font["licence"] for font in note["fonts"]} == {"OFL-1.1"}
