"""Writes a trained model for another runtime: TensorFlow, LiteRT or ONNX.

    python trainer/export.py --model=WORKDIR/model.keras --format=litert

    image: [N, H, W, 1] uint8, as in the parquet files
        -> the builder's resize, the preprocessing, the net, the calibration
        -> <output>: [N, classes] float32 probabilities, by name

dataset.json, with the class names in their order, lies in the SavedModel's
assets.extra, in the metadata of the ONNX model, and in the zip archive that is
appended to the LiteRT file, where LiteRT expects a model's associated files.
"""

import importlib.util
import json
import os
import pathlib
import shutil
import tempfile
import zipfile

import keras
import numpy as np
from absl import flags, logging

import storage
from flags import command, export_flags
from tfrecord_builder import resize
from trainer import model_file

FLAGS = flags.FLAGS
SUFFIXES = {"saved_model": "", "litert": ".tflite", "onnx": ".onnx"}
NEEDS = {"onnx": ("onnx", "tf2onnx")}  # Packages of a format.


def main() -> None:
    path, format_ = pathlib.Path(FLAGS.model), FLAGS.format
    check_packages(format_)
    output = make_output(FLAGS.output, path, format_)
    model, card = model_file.read(path)
    exported = make_exported(model, card)
    with tempfile.TemporaryDirectory(
        dir=output.parent, prefix=f".{output.name}."
    ) as folder:
        made = pathlib.Path(folder) / f"model{SUFFIXES[format_]}"
        logging.info("exporting %s as %s", path, format_)
        WRITERS[format_](made, exported, make_metadata(card))
        if output.is_dir():
            shutil.rmtree(output)
        os.replace(made, output)
    print(f"wrote {output}: {size(output) / 1e6:.1f} MB")


def check_packages(format_: str) -> None:
    """Raises UserError where a package is missing that the format needs."""
    for package in NEEDS.get(format_, ()):
        if importlib.util.find_spec(package) is None:
            raise storage.UserError(
                f"--format={format_} needs the package {package}, which is "
                "not installed: pip install -c constraints.txt "
                + " ".join(NEEDS[format_])
            )


def make_exported(model: keras.Model, card: dict) -> keras.Model:
    """Returns a model from source images to probabilities by output."""
    shape = (card["source_image"]["height"], card["source_image"]["width"], 1)
    images = keras.Input(shape, dtype="uint8", name="image")
    stored = images
    if (spec := card["resize"]) is not None:
        # As resize.resize_images, in float32.
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
    """Returns dataset.json: what goes in, and what the numbers mean."""
    return json.dumps(
        {
            "outputs": card["outputs"],
            "image": card["source_image"] | {"channels": 1, "dtype": "uint8"},
        },
        ensure_ascii=False,
    )


def write_saved_model(path: pathlib.Path, model, metadata: str) -> None:
    model.export(path, format="tf_saved_model", verbose=False)
    extra = path / "assets.extra"
    extra.mkdir()
    (extra / model_file.CARD).write_text(metadata, encoding="utf-8")


def write_litert(path: pathlib.Path, model, metadata: str) -> None:
    model.export(path, format="litert", verbose=False)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(model_file.CARD, metadata)


def write_onnx(path: pathlib.Path, model, metadata: str) -> None:
    import onnx  # A package that only this format needs.

    # Keras 3.15 exports no model to ONNX that was never called.
    model(np.zeros((1, *model.input_shape[1:]), np.uint8))
    model.export(path, format="onnx", verbose=False)
    made = onnx.load(path)
    onnx.helper.set_model_props(made, {model_file.CARD: metadata})
    onnx.save(made, path)


WRITERS = {
    "saved_model": write_saved_model,
    "litert": write_litert,
    "onnx": write_onnx,
}


def make_output(
    output: str | None, model: pathlib.Path, format_: str
) -> pathlib.Path:
    """Returns where to write, its folder made; checked before the work."""
    suffix = SUFFIXES[format_]
    default = model.with_name(f"{model.stem}{suffix or '_saved_model'}")
    path = pathlib.Path(output) if output else default
    if path.suffix != suffix and suffix:
        raise storage.UserError(
            f"--output={path}: expected a name that ends in {suffix} for "
            f"--format={format_}, such as {path.with_suffix(suffix)}"
        )
    if path.is_dir() and (suffix or not is_replaceable(path)):
        raise storage.UserError(
            f"--output={path} is a folder that holds something else: give the "
            f"name of the {'file' if suffix else 'new folder'} to write"
        )
    if path.is_file() and not suffix:
        raise storage.UserError(
            f"--output={path} is a file: expected the folder to write"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def is_replaceable(folder: pathlib.Path) -> bool:
    """Tells whether a folder is a SavedModel, or empty."""
    return not any(folder.iterdir()) or (folder / "saved_model.pb").exists()


def size(path: pathlib.Path) -> int:
    """Returns the bytes of a file, or of all files of a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def run() -> None:
    """Runs the command; never returns."""
    command.run(main, export_flags, user_errors=(storage.UserError,))


if __name__ == "__main__":
    run()
