"""Preprocessing, nets, optimizer, and the model that is handed over."""

import json
import os
import subprocess
import sys
import zipfile

import cores
import keras
import numpy as np
import pytest
import tensorflow as tf

from storage import UserError
from tfrecord_builder.records import dataset_info
from trainer.models import backbones, heads, model_file, network, preprocessing
from trainer.models.preprocessing import Preprocessing
from trainer.training import optimizers


def paper(count=1, height=137, width=236):
    return np.full((count, height, width, 1), 255, np.uint8)


@pytest.mark.parametrize("size", [(137, 236), (64, 112), (20, 30)])
def test_resize_is_tensorflows_antialiased_one(size):
    images = np.random.default_rng(0).integers(0, 256, (2, 137, 236, 1))
    images = images.astype(np.uint8)
    resized = Preprocessing(*size)(tf.constant(images))
    expected = tf.image.resize(1 - images / 255, size, antialias=True)
    np.testing.assert_allclose(resized, expected, atol=1e-4)


def test_the_box_holds_the_ink_and_a_margin():
    images = paper(2)
    images[0, 40:60, 100:130] = 10
    images[0, 0, :] = 0  # A line at the scan's edge is no ink.
    images[0, 90, 20] = 0  # Neither is one speck.
    ink = 1 - tf.cast(images[..., 0], tf.float32) / 255
    box = [edge.numpy().tolist() for edge in preprocessing.ink_box(ink)]
    assert box == [[36, 0], [64, 137], [96, 0], [134, 236]]


def test_a_crop_keeps_proportions_and_centre():
    images = paper()
    images[0, 40:60, 100:140] = 0
    crop = Preprocessing(48, 48, crop=True)
    cropped = crop(tf.constant(images)).numpy()[0, ..., 0]
    # A box of 28 x 48 pixels with its margins, at its own scale.
    expected = np.zeros((48, 48))
    expected[14:34, 4:44] = 1
    np.testing.assert_allclose(cropped, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "to_scale", "expected"),
    [
        (8, False, [4, 4, -1, 8]),  # As it was: hardly a box.
        (8, True, [1, 8, 2, 4]),
        (28, True, [0, 9, 1, 5]),
        (32, True, [0, 10, 0, 6]),
        (64, True, [0, 64, 0, 64]),
    ],
)
def test_the_box_of_a_small_image(size, to_scale, expected):
    ink = np.zeros((1, size, size), np.float32)
    ink[0, 1:8, 2:4] = 1.0
    if size == 64:
        ink = np.zeros((1, size, size), np.float32)
    box = preprocessing.ink_box(tf.constant(ink), to_scale=to_scale)
    assert [float(edge[0]) for edge in box] == expected


@pytest.mark.parametrize("crop", [True, False])
def test_light_ink_on_dark_is_the_inverted_image(crop):
    images = paper()
    images[0, 40:60, 100:140] = np.arange(0, 200, 10)[:, None, None]
    light = Preprocessing(48, 48, crop=crop)(tf.constant(images))
    dark = Preprocessing(48, 48, crop=crop, background="dark")(
        tf.constant(255 - images)
    )
    assert float(tf.reduce_max(light)) > 0.5
    np.testing.assert_allclose(dark, light, atol=1e-5)


def test_a_crop_does_not_depend_on_the_position():
    images = paper(2)
    glyph = np.random.default_rng(0).integers(0, 200, (50, 60, 1))
    images[0, 20:70, 30:90] = glyph
    images[1, 60:110, 150:210] = glyph
    crop = Preprocessing(64, 64, crop=True)
    first, second = crop(tf.constant(images)).numpy()
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_unknown_backbone_lists_the_known():
    with pytest.raises(UserError, match="densenet121.*small"):
        backbones.feature_map("smal", keras.Input((8, 8, 1)))


def test_orthogonalize_flattens_the_spectrum():
    rng = np.random.default_rng(0)
    for shape in ((24, 8), (8, 24)):
        matrix = rng.normal(size=shape).astype(np.float32)
        u, _, vt = np.linalg.svd(matrix, full_matrices=False)
        result = np.asarray(optimizers.orthogonalize(tf.constant(matrix)))
        spectrum = np.linalg.svd(result)[1]
        assert 0.6 < spectrum.min() <= spectrum.max() < 1.3
        cosine = np.sum(result * (u @ vt)) / np.linalg.norm(result) / 8**0.5
        assert cosine > 0.95


_BARE = """
import sys
sys.path = [p for p in sys.path if p not in ("", {root!r})]
sys.meta_path = [f for f in sys.meta_path if "editable" not in repr(f)]
import keras, numpy as np
assert not any(m in sys.modules for m in ("trainer", "tfrecord_builder"))
data = np.load("data.npz")
loaded = keras.models.load_model("model.keras", safe_mode=True)
for name, value in loaded(data["images"]).items():
    np.testing.assert_allclose(value, data[name], atol=1e-5)
try:
    import trainer
    raise SystemExit("this process can import the project")
except ImportError:
    print("alone")
"""


@pytest.mark.parametrize(
    ("backbone", "pool", "with_graphemes"),
    [("small", "gem", True), ("resnet18_v2", "attention", False)],
)
def test_the_model_stands_alone(
    tiny_records, tmp_path, backbone, pool, with_graphemes
):
    info = dataset_info.read(tiny_records)
    outputs = {o.name: len(o.classes) for o in info.outputs}
    graphemes = None
    if with_graphemes:
        graphemes = heads.make_graphemes(info)
    core = cores.build(
        backbone,
        outputs,
        dropout=0.1,
        pool=pool,
        pool_per_output=True,
        graphemes=graphemes,
    )
    core = network.decode(core, graphemes)
    calibration = {
        name: [0.5 * i for i in range(n)] for name, n in outputs.items()
    }
    preprocess = Preprocessing(32, 32, crop=True)
    served = network.build_served(
        core,
        preprocess=preprocess,
        image_shape=(12, 16),
        calibration=calibration,
    )
    images = np.random.default_rng(0).integers(0, 256, (3, 12, 16, 1), np.uint8)
    logits = served(images)
    for name, plain in core(preprocess(tf.constant(images))).items():
        np.testing.assert_allclose(
            logits[name], plain + np.float32(calibration[name]), atol=1e-5
        )
    card = model_file.make_card(
        info,
        output_weights=dict.fromkeys(outputs, 1.0),
        calibration=calibration,
    )
    model_file.write(tmp_path / "model.keras", served, card)
    assert os.listdir(tmp_path) == ["model.keras"]
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        stored = json.loads(archive.read("dataset.json"))
    assert [o["name"] for o in stored["outputs"]] == list(outputs)
    assert stored["calibration"] == calibration
    np.savez(
        tmp_path / "data.npz",
        images=images,
        **{k: v.numpy() for k, v in logits.items()},
    )
    root = str(model_file.pathlib.Path(model_file.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-I", "-c", _BARE.format(root=root)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "alone", done.stderr


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip"])
def test_a_broken_model_is_reported_in_one_line(tmp_path, content):
    path = tmp_path / "model.keras"
    with pytest.raises(UserError, match="no model at"):
        model_file.read(path)
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a complete model"):
        model_file.read(path)
