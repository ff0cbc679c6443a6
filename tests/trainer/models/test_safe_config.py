"""Files that could make Keras run code are refused, all of ours are read."""

import itertools
import json
import zipfile

import backbone_names
import bad_models
import cores
import h5py
import keras
import keras_versions
import numpy as np
import pytest
import served

from storage import UserError
from trainer.models import backbones, model_file, network, safe_config
from trainer.models.heads import Graphemes
from trainer.models.preprocessing import Preprocessing

OUTPUTS = {"root": 7, "vowel": 3}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lambda.keras", "holds the class 'keras.layers.Lambda', which no mod"),
        ("get_file.keras", "holds the class 'keras.layers.Lambda', which no"),
        ("load_model.keras", "holds the class 'keras.layers.Lambda', which no"),
        ("hdf5.keras", "is not a complete model.keras"),
        ("hdf5_and_zip.h5", "does not end in .keras"),
        ("saved_model.keras", "holds the class 'keras.layers.TFSMLayer', whi"),
    ],
)
def test_a_file_that_runs_something_is_refused(tmp_path, name, message):
    path, marker = tmp_path / name, tmp_path / "marker"
    bad_models.FILES[name](path, marker)
    with pytest.raises(UserError, match=message) as caught:
        model_file.read(path)
    assert str(caught.value).startswith(f"{path} ")
    assert "\n" not in str(caught.value)
    assert not marker.exists()


@pytest.mark.long
def test_the_oldest_keras_runs_them(tmp_path):
    """And model_file.read, with that Keras, refuses each."""
    done = keras_versions.run_script("3.10.0", bad_models.__file__, tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "lambda.keras": False,  # The safe mode stops this one.
        "get_file.keras": True,
        "load_model.keras": True,
        "hdf5.keras": False,
        "hdf5_and_zip.h5": True,
        "saved_model.keras": True,
    }


DENSE = {"module": "keras.layers", "class_name": "Dense", "config": {}}


@pytest.mark.parametrize(
    ("config", "found"),
    [
        (DENSE, None),
        (DENSE | {"registered_name": "Dense"}, None),
        ([{"config": [{"config": DENSE | {"module": "os"}}]}], "class 'os.De"),
        (DENSE | {"class_name": "Lambda"}, "class 'keras.layers.Lambda'"),
        ({"class_name": "Dense", "config": {}}, "class 'None.Dense'"),
        ({"class_name": "__lambda__", "config": {}}, "class 'None.__lambda__'"),
        ({"class_name": "__typespec__"}, "class 'None.__typespec__'"),
        (
            DENSE | {"registered_name": "keras_cv>ResNetV2Backbone"},
            "class 'keras.layers.Dense' as 'keras_cv>ResNetV2Backbone'",
        ),
        (
            DENSE
            | {
                "config": {
                    "activation": {
                        "module": "builtins",
                        "class_name": "function",
                        "config": "relu",
                    }
                }
            },
            "function 'builtins.relu'",
        ),
        (
            DENSE
            | {"compile_config": {"loss": DENSE | {"module": "x\n\33[2J"}}},
            r"class 'x\n\x1b[2J.Dense'",
        ),
        (DENSE | {"module": ["keras.layers"]}, "class \"['keras.layers'].De"),
        (DENSE | {"class_name": {"a": 1}}, "class \"keras.layers.{'a': 1}\""),
        (DENSE | {"class_name": None}, "class 'keras.layers.None'"),
    ],
)
def test_classes_are_those_of_our_models(config, found):
    made = safe_config.find_class(config)
    assert made == found if found is None else made.startswith(f"the {found}")


def test_a_net_that_could_not_be_read_again_is_refused_at_the_start():
    image = keras.Input((8, 8, 1))
    net = keras.Model(image, keras.layers.SeparableConv2D(2, 3)(image))
    with pytest.raises(UserError, match="'keras.layers.SeparableConv2D', whic"):
        safe_config.check_net(net)
    safe_config.check_net(cores.build("tiny", OUTPUTS))


def test_a_config_too_deep_is_one_line(tmp_path):
    path = tmp_path / "model.keras"
    served.write(path)
    bad_models.rewrite(path, **{"config.json": "[" * 10**6 + "]" * 10**6})
    with pytest.raises(UserError, match="not a complete model.keras"):
        model_file.read(path)


@pytest.mark.parametrize(
    "name", ["/etc/x", "../x", "assets/x", "model.weights.npz", "a\n.pkl"]
)
def test_an_entry_that_keras_would_unpack_is_refused(tmp_path, name):
    path = tmp_path / "model.keras"
    served.write(path)
    bad_models.rewrite(path, **{name: "x"})
    with pytest.raises(UserError) as caught:
        model_file.read(path)
    assert f"{path} holds the entry {name!r}, which no" in str(caught.value)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_that_is_there_twice_is_refused(tmp_path):
    path = tmp_path / "model.keras"
    served.write(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(UserError, match=r"holds the entry 'config\.json'"):
        model_file.read(path)


def test_an_encrypted_entry_is_refused(tmp_path):
    path = tmp_path / "model.keras"
    served.write(path)
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")  # The last entry of the directory.
    data[at + 8] |= 1  # Its flag bits.
    path.write_bytes(data)
    with pytest.raises(UserError, match="the encrypted entry dataset.json"):
        model_file.read(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [(6, 0x54), (8, 0x20), (10, 0x08), (10, 0x63)],
    ids=["version", "patched", "deflated", "method"],
)
def test_a_damaged_directory_is_one_line(tmp_path, field, value):
    path = tmp_path / "model.keras"
    served.write(path)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        at = archive.start_dir
    data[at + field] = value
    path.write_bytes(data)
    with pytest.raises(UserError, match="is not a complete model.keras"):
        model_file.read(path)


def test_weights_are_not_read_from_another_file(tmp_path):
    path, secret = tmp_path / "model.keras", tmp_path / "secret"
    secret.write_bytes(np.float32(42).tobytes())
    bad_models.write_external_weights(path, secret)
    with pytest.raises(UserError, match="weights, 'layers/dense/vars/1', who"):
        model_file.read(path)


@pytest.mark.parametrize(
    "link", [h5py.SoftLink("/a"), h5py.ExternalLink("/tmp/b.h5", "/a")]
)
def test_weights_are_not_linked(tmp_path, link):
    path, weights = tmp_path / "model.keras", tmp_path / "w.h5"
    served.write(path)
    with h5py.File(weights, "w") as file:
        file["a"] = np.zeros(1)
        file["b/c"] = link
    bad_models.rewrite(path, **{"model.weights.h5": weights.read_bytes()})
    with pytest.raises(UserError, match="weights, 'b/c', whose bytes are els"):
        model_file.read(path)


def build(
    backbone, *, pool="average", crop=True, with_head=False, per_output=False
):
    """Returns the config of a model that is handed over."""
    graphemes = None
    if with_head:
        graphemes = Graphemes(OUTPUTS, ((0, 0), (1, 2)))
    core = cores.build(
        backbone,
        OUTPUTS,
        pool=pool,
        pool_per_output=per_output,
        graphemes=graphemes,
        dropout=0.1,
    )
    model = network.build_served(
        network.decode(core, graphemes),
        preprocess=Preprocessing(32, 32, crop=crop),
        image_shape=(12, 16),
        calibration={name: [0.5] * size for name, size in OUTPUTS.items()},
    )
    return json.loads(json.dumps(keras.saving.serialize_keras_object(model)))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=[pytest.mark.long] * (name in backbone_names.LARGER),
        )
        for name in sorted(backbones.BACKBONES)
    ],
)
def test_every_backbone_is_of_known_classes(name):
    assert safe_config.find_class(build(name)) is None


@pytest.mark.parametrize("pool", ["average", "gem", "attention"])
def test_every_head_is_of_known_classes(pool):
    for crop, with_head, per_output in itertools.product(
        (False, True), repeat=3
    ):
        config = build(
            "tiny",
            pool=pool,
            crop=crop,
            with_head=with_head,
            per_output=per_output,
        )
        assert safe_config.find_class(config) is None
