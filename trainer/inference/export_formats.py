"""Writes a Keras model in the format of another runtime.

    source images -> the builder's resize -> the model -> softmax

Each format stores dataset.json, which describes the inputs and outputs, in its
own way.
"""

import json
import pathlib
import warnings
import zipfile

import keras
import numpy as np
from absl import logging

from tfrecord_builder.records import resize
from trainer.models import model_file

SUFFIXES = {"saved_model": "", "litert": ".tflite", "onnx": ".onnx"}
NEEDS = {"onnx": ("onnx", "tf2onnx")}  # Packages of a format.
NEEDS_KERAS = {"litert": (3, 13)}  # The first version that writes a format.


def make_exported(model: keras.Model, card: dict) -> keras.Model:
    """Returns a model from source images to probabilities of each output."""
    shape = (card["source_image"]["height"], card["source_image"]["width"], 1)
    images = keras.Input(shape, dtype="uint8", name="image")
    stored = images
    if (spec := card["resize"]) is not None:
        # The same as resize.resize_images, in float32.
        rows = resize.area_weights(shape[0], spec["height"])
        columns = resize.area_weights(shape[1], spec["width"])
        mean = keras.ops.cast(images[..., 0], "float32")
        mean = keras.ops.matmul(np.float32(rows), mean)
        mean = keras.ops.matmul(mean, np.float32(columns.T))
        stored = keras.ops.cast(keras.ops.floor(mean + 0.5), "uint8")[..., None]
    probabilities = {
        name: keras.ops.softmax(logits)
        for name, logits in model(stored).items()
    }
    return keras.Model(images, probabilities, name="exported")


def make_metadata(card: dict) -> str:
    """Returns dataset.json, which describes the inputs and outputs."""
    return json.dumps(
        {
            "outputs": card["outputs"],
            "image": {
                **card["source_image"],
                "channels": 1,
                "dtype": "uint8",
                "background": model_file.card_background(card),
            },
        },
        ensure_ascii=False,
    )


def write_saved_model(
    path: pathlib.Path, model: keras.Model, metadata: str
) -> None:
    model.export(str(path), format="tf_saved_model", verbose=False)
    extra = path / "assets.extra"
    extra.mkdir()
    (extra / model_file.CARD).write_text(metadata, encoding="utf-8")


def write_litert(path: pathlib.Path, model: keras.Model, metadata: str) -> None:
    model.export(str(path), format="litert", verbose=False)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(model_file.CARD, metadata)


def write_onnx(path: pathlib.Path, model: keras.Model, metadata: str) -> None:
    import onnx  # A package that only this format needs.

    # Keras 3.15 cannot export a model to ONNX that was never called.
    model(np.zeros((1, *model.input_shape[1:]), np.uint8))
    model.export(str(path), format="onnx", verbose=False)
    made = onnx.load(path)
    onnx.helper.set_model_props(made, {model_file.CARD: metadata})
    onnx.save(made, path)


WRITERS = {
    "saved_model": write_saved_model,
    "litert": write_litert,
    "onnx": write_onnx,
}


def write(
    format_: str, path: pathlib.Path, model: keras.Model, metadata: str
) -> None:
    """Writes a model of make_exported(); shows only warnings from exporters."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(min(verbosity, logging.WARNING))
    try:
        with warnings.catch_warnings():
            # Keras 3.15 uses np.object to check for NumPy before 1.24.
            warnings.filterwarnings("ignore", ".*`np.object`", FutureWarning)
            WRITERS[format_](path, model, metadata)
    finally:
        logging.set_verbosity(verbosity)
