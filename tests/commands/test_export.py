"""Each exported model, run by its own runtime, says what predict says."""

import importlib.util
import json
import re
import zipfile

import commands
import cores
import keras
import numpy as np
import pytest
import served
import tensorflow as tf

from storage import UserError
from trainer import export
from trainer.inference import ensemble, export_formats
from trainer.models import model_file, network
from trainer.models.preprocessing import Preprocessing

HEIGHT, WIDTH = 24, 40  # Of the source; half of it is stored.


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """An untrained model.keras of images that the builder made smaller."""
    path = tmp_path_factory.mktemp("trained") / "model.keras"
    core = cores.build("resnet9", served.OUTPUTS, side=16, dropout=0.1)
    for variable in core.weights:  # So that the images' answers differ.
        variable.assign(variable * 1.05 + 0.002)
    for name in served.OUTPUTS:
        kernel = core.get_layer(name).kernel
        kernel.assign(kernel * 5.0)
    stored = {"height": HEIGHT // 2, "width": WIDTH // 2}
    served.write(
        path,
        network.build_served(
            core,
            preprocess=Preprocessing(16, 16, crop=True),
            image_shape=tuple(stored.values()),
            calibration={"root": [0.0] * 7, "vowel": [0.2, 0.0, 0.1]},
        ),
        image=stored,
        source_image={"height": HEIGHT, "width": WIDTH},
        resize={"method": "area"} | stored,
    )
    return path


@pytest.fixture(scope="module")
def images():
    """[9, H, W] uint8: dark strokes on noisy paper."""
    rng = np.random.default_rng(1)
    images = rng.integers(200, 256, (9, HEIGHT, WIDTH), np.uint8)
    for i, image in enumerate(images):
        image[5 : 19 - i % 4, 4 * i : 4 * i + 3] = 10 * i
        image[4 + i, 6:34] = 40
    return images


@pytest.fixture(scope="module")
def expected(trained, images):
    members = ensemble.read([trained])
    return ensemble.make_predict(members, batch_size=len(images))(images)


@pytest.fixture(scope="module")
def run_export():
    command = commands.Command("trainer.export")
    yield command
    command.close()


def run_saved_model(path, images):
    loaded = tf.saved_model.load(str(path)).signatures["serving_default"]
    made = loaded(image=tf.constant(images))
    metadata = (path / "assets.extra/dataset.json").read_text(encoding="utf-8")
    return {name: value.numpy() for name, value in made.items()}, metadata


def run_litert(path, images):
    litert = pytest.importorskip(
        "ai_edge_litert.interpreter", reason="ai-edge-litert is not installed"
    )
    made = litert.Interpreter(str(path)).get_signature_runner()(image=images)
    with zipfile.ZipFile(path) as archive:
        return made, archive.read("dataset.json")


def run_onnx(path, images):
    runtime = pytest.importorskip(
        "onnxruntime", reason="onnxruntime is not installed"
    )
    session = runtime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    made = dict(zip(names, session.run(names, {"image": images}), strict=True))
    properties = session.get_modelmeta().custom_metadata_map
    return made, properties["dataset.json"]


@pytest.mark.parametrize(
    ("format_", "name", "run"),
    [
        ("saved_model", "model_saved_model", run_saved_model),
        ("litert", "model.tflite", run_litert),
        ("onnx", "model.onnx", run_onnx),
    ],
)
def test_exported(trained, images, expected, run_export, format_, name, run):
    keras_version = tuple(map(int, keras.__version__.split(".")[:2]))
    if format_ == "litert" and keras_version < (3, 13):
        pytest.skip("this Keras writes no LiteRT")
    for package in export_formats.NEEDS.get(format_, ()):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    done = run_export(f"--model={trained}", f"--format={format_}")
    assert done.returncode == 0, done.stderr
    # TensorFlow's C++ parts look for a GPU, and log before they are set up.
    noise = re.compile(r"[EIW]0000 |\d{4}-\d\d-\d\d |WARNING: All log messages")
    (line,) = (s for s in done.stderr.splitlines() if not noise.match(s))
    assert line.endswith(f" exporting {trained} as {format_}")
    path = trained.with_name(name)
    assert done.stdout.splitlines()[-1].startswith(f"wrote {path}: ")
    for count in (1, len(images)):
        made, metadata = run(path, images[:count, ..., None])
        assert set(made) == {"root", "vowel"}
        for output, value in made.items():
            np.testing.assert_allclose(
                value, expected[output][:count], atol=1e-4
            )
            np.testing.assert_array_equal(
                value.argmax(1), expected[output][:count].argmax(1)
            )
    described = json.loads(metadata)
    assert described["outputs"] == served.make_card()["outputs"]
    assert described["image"]["height"] == HEIGHT
    # The answers differ, so that agreeing says something.
    assert len(set(expected["root"].argmax(1))) > 1


def test_nothing_else_is_overwritten(tmp_path, trained, run_export):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter1.tex").write_text("x")
    for format_, output, message in (
        ("onnx", "model.tflite", "a name that ends in .onnx for"),
        ("saved_model", "thesis", "is a folder with other files"),
        ("onnx", "thesis", "a name that ends in .onnx"),
    ):
        done = run_export(
            f"--model={trained}",
            f"--format={format_}",
            f"--output={tmp_path / output}",
        )
        assert done.returncode == 1
        assert message in done.error
    assert [p.name for p in tmp_path.rglob("*")] == ["thesis", "chapter1.tex"]


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"package onnx, .* onnx tf2onnx prot"):
        export.check_packages("onnx")
    export.check_packages("saved_model")


def test_a_keras_that_lacks_a_format_is_named(monkeypatch):
    monkeypatch.setattr(
        export.importlib.metadata, "version", lambda name: "3.10.0"
    )
    with pytest.raises(UserError, match=r"Keras 3\.13 or later, this is Keras"):
        export.check_packages("litert")
    export.check_packages("saved_model")


def test_a_model_of_a_later_keras_is_one_line(trained, tmp_path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(trained) as source, zipfile.ZipFile(path, "w") as sink:
        for name in source.namelist():
            data = source.read(name)
            if name == "config.json":
                data = data.replace(
                    b'": {"name": "get', b'": {"x": 1, "name": "get'
                )
            elif name == "metadata.json":
                data = b'{"keras_version": "99.1.0"}'
            sink.writestr(name, data)
    with pytest.raises(UserError, match=r"by Keras 99\.1\.0, .* cannot read"):
        model_file.read(path)
