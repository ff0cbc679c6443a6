"""model.keras files that make Keras run something, or read another file.

Each is written with what it runs: `marker` is a file that exists afterwards.
As a script, run by a process with another version of Keras first on its path:

    bad_models.py FOLDER

prints, as JSON, which of write_all's files run what they hold when plain Keras
loads and calls them, and then raises if one does for model_file.read.
"""

import json
import pathlib
import sys
import zipfile

import h5py
import keras
import numpy as np
import served
import tensorflow as tf

_TENSOR = {
    "class_name": "__keras_tensor__",
    "config": {
        "shape": [None, 1],
        "dtype": "float32",
        "keras_history": ["x", 0, 0],
    },
}


def make_config(*layers: dict) -> dict:
    """Returns the config of a model: an input "x", then layers.

    Args:
        layers: Configs; "inputs" in one, popped, is what it is called with.
    """
    start = {
        "module": "keras.layers",
        "class_name": "InputLayer",
        "config": {"batch_shape": [None, 1], "name": "x"},
        "registered_name": None,
        "name": "x",
        "inbound_nodes": [],
    }
    called = [
        {
            "name": layer["config"]["name"],
            "inbound_nodes": [
                {"args": [], "kwargs": {"inputs": layer.pop("inputs", _TENSOR)}}
            ],
            **layer,
        }
        for layer in layers
    ]
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "registered_name": "Functional",
        "config": {
            "name": "model",
            "trainable": True,
            "layers": [start, *called],
            "input_layers": [["x", 0, 0]],
            "output_layers": [[called[-1]["name"], 0, 0]],
        },
    }


def call(function: str, inputs: object, **arguments: object) -> dict:
    """Returns a Lambda layer that calls a function of Keras's, by its name."""
    module, _, name = function.rpartition(".")
    return {
        "module": "keras.layers",
        "class_name": "Lambda",
        "registered_name": None,
        "inputs": inputs,
        "config": {
            "name": name,
            "arguments": arguments,
            "function": {
                "module": module,
                "class_name": "function",
                "config": name,
                "registered_name": "function",
            },
        },
    }


def write_config(path: pathlib.Path, config: dict) -> None:
    """Writes a model.keras with a config, and the weights of another model."""
    served.write(path)
    rewrite(path, **{"config.json": json.dumps(config)})


def rewrite(path: pathlib.Path, **entries: str | bytes) -> None:
    """Gives a model.keras other entries, by name."""
    with zipfile.ZipFile(path) as archive:
        old = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (old | entries).items():
            archive.writestr(name, data)


def _make_lambda(marker: pathlib.Path) -> keras.Model:
    """Returns a model whose Python code, marshalled, makes a file."""

    marked = str(marker)

    def touch(x):
        open(marked, "w").close()
        return x

    touch.__name__ = "<lambda>"  # So that Keras stores its bytecode.
    x = keras.Input((1,))
    return keras.Model(x, keras.layers.Lambda(touch)(x))


def write_lambda(path: pathlib.Path, marker: pathlib.Path) -> None:
    """Bytecode in the config."""
    served.write(path, _make_lambda(marker))
    marker.unlink()


def write_get_file(path: pathlib.Path, marker: pathlib.Path) -> None:
    """CVE-2025-8747: a function of Keras's, which downloads a file."""
    source = path.with_suffix(".source")
    source.write_text("x")
    get_file = call(
        "keras.utils.get_file",
        marker.name,
        origin=source.as_uri(),
        cache_dir=str(marker.parent),
        cache_subdir=".",
    )
    write_config(path, make_config(get_file))


def write_load_model(path: pathlib.Path, marker: pathlib.Path) -> None:
    """The same: ends the safe mode, then loads a second file."""
    second = path.with_name(f"second_{path.name}")
    write_lambda(second, marker)
    end = call(
        "keras.src.backend.common.global_state.set_global_attribute",
        "safe_mode_saving",
        value=False,
    )
    load = call("keras.models.load_model", str(second), safe_mode=False)
    write_config(path, make_config(end, load))


def write_hdf5(path: pathlib.Path, marker: pathlib.Path) -> None:
    """CVE-2025-9905: HDF5, which knows no safe mode."""
    made = path.with_suffix(".h5")
    _make_lambda(marker).save(made)
    marker.unlink()
    made.rename(path)


def write_hdf5_and_zip(path: pathlib.Path, marker: pathlib.Path) -> None:
    """The same, with a harmless model.keras behind it in the same file."""
    write_hdf5(path, marker)
    harmless = path.with_name("harmless.keras")
    served.write(harmless)
    with (
        zipfile.ZipFile(harmless) as source,
        zipfile.ZipFile(path, "a") as sink,
    ):
        for name in source.namelist():
            sink.writestr(name, source.read(name))


def write_saved_model(path: pathlib.Path, marker: pathlib.Path) -> None:
    """CVE-2026-1462: a SavedModel beside the file, run when it is called."""
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None, 1])])
    def touch(x):
        tf.io.write_file(str(marker), "x")
        return {"y": x}

    module.touch = touch
    folder = path.with_suffix(".saved_model")
    tf.saved_model.save(module, str(folder), signatures=touch)
    layer = {
        "module": "keras.layers",
        "class_name": "TFSMLayer",
        "registered_name": None,
        "config": {
            "name": "y",
            "filepath": str(folder),
            "call_endpoint": "serving_default",
        },
    }
    write_config(path, make_config(layer))


FILES = {
    "lambda.keras": write_lambda,
    "get_file.keras": write_get_file,
    "load_model.keras": write_load_model,
    "hdf5.keras": write_hdf5,
    "hdf5_and_zip.h5": write_hdf5_and_zip,
    "saved_model.keras": write_saved_model,
}


def write_external_weights(path: pathlib.Path, secret: pathlib.Path) -> None:
    """CVE-2026-1669: weights whose bytes are those of another file."""
    x = keras.Input((1,))
    served.write(path, keras.Model(x, keras.layers.Dense(1, name="y")(x)))
    with zipfile.ZipFile(path) as archive:
        weights = path.with_suffix(".h5")
        weights.write_bytes(archive.read("model.weights.h5"))
    with h5py.File(weights, "a") as file:
        group = file["layers/dense/vars"]
        del group["1"]
        group.create_dataset(
            "1", (1,), np.float32, external=[(str(secret), 0, 4)]
        )
    rewrite(path, **{"model.weights.h5": weights.read_bytes()})


def main(folder: pathlib.Path) -> None:
    """Loads each file, with plain Keras and with model_file.read."""
    from storage import UserError
    from trainer.models import model_file

    ran = {}
    for name, write in FILES.items():
        path, marker = folder / name, folder / f"{name}.ran"
        write(path, marker)
        try:
            model_file.read(path)
            raise AssertionError(f"{name} was read")
        except UserError:
            assert not marker.exists(), name
        try:
            keras.models.load_model(path, compile=False)(np.ones((1, 1), "f4"))
        except Exception as error:
            print(name, type(error).__name__, str(error)[:99], file=sys.stderr)
        ran[name] = marker.exists()
    print(json.dumps(ran))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
