"""model.keras: a Keras model and, as one more zip entry, its card.

The card (dataset.json) explains the inputs and outputs of the model: outputs
and class names, the size and background of the images, how the builder changes
a source image, the weights of the outputs in the score, and the calibration in
the logits.
"""

import json
import os
import pathlib
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from storage import UserError, whole_file
from tfrecord_builder.records import background
from tfrecord_builder.records.dataset_info import DatasetInfo
from trainer.models import portable_config, safe_config

CARD = "dataset.json"
FORMAT = 1
# Errors of zipfile, json and Keras for a file that is truncated, damaged or not
# of this trainer.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    NotImplementedError,  # A kind of zip that zipfile does not support.
    OSError,
    RecursionError,
    ValueError,
)


def make_card(
    info: DatasetInfo,
    *,
    output_weights: dict[str, float],
    calibration: dict[str, list[float]],
) -> dict:
    """Returns the card of a model that was trained on a dataset.

    Args:
        info: The dataset.
        output_weights: Weight of each output in the score.
        calibration: For each output, what the calibration adds to the logit of
            each class.
    """
    described = json.loads(info.to_json())
    return {
        "format": FORMAT,
        "outputs": [
            {"name": output["name"], "classes": output["classes"]}
            for output in described["outputs"]
        ],
        "image": described["image"],
        "source_image": described["source_image"],
        "resize": described["resize"],
        "output_weights": output_weights,
        "calibration": calibration,
    }


def write(path: str | os.PathLike, model: keras.Model, card: dict) -> None:
    """Writes the model with its card, completely or not at all."""
    path = pathlib.Path(path)
    saved = path.with_name(f".{path.stem}.saved.keras")
    model.save(saved)
    with (
        zipfile.ZipFile(saved) as source,
        whole_file.whole_file(path) as file,
        zipfile.ZipFile(file, "w") as sink,
    ):
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename == "config.json":
                data = portable_config.make_portable(data.decode()).encode()
            sink.writestr(entry, data)
        sink.writestr(CARD, json.dumps(card, ensure_ascii=False))
    saved.unlink()


def read_card(path: str | os.PathLike) -> dict:
    """Returns the card of a model.keras that this trainer wrote."""
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(CARD))


def read(path: str | os.PathLike) -> tuple[keras.Model, dict]:
    """Reads a model and its card.

    Raises:
        UserError: There is no such file, or it is damaged, not a model of this
            trainer, written by another version of Keras, or could run code.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(
            f"no model at {path}: give the model.keras that "
            "trainer/main.py wrote to its --workdir"
        )
    if path.suffix != ".keras":  # Keras chooses the format by the suffix.
        raise UserError(
            f"{path} does not end in .keras: expected the model.keras that "
            "trainer/main.py wrote to its --workdir"
        )
    written_by = {}
    try:
        safe_config.check(path, card=CARD)
        card = read_card(path)
        with zipfile.ZipFile(path) as archive:
            written_by = json.loads(archive.read("metadata.json"))
        model = keras.models.load_model(path, compile=False)
    except UserError:
        raise
    except TypeError as error:  # A layer's settings that Keras does not know.
        version = written_by.get("keras_version")
        if version in (None, keras.__version__):
            raise
        raise UserError(
            f"{path} was written by Keras {version}, and Keras "
            f"{keras.__version__} cannot read it: pip install keras=={version}"
        ) from error
    except _DAMAGE as error:
        raise UserError(
            f"{path} is not a complete model.keras of this trainer ({error}): "
            "copy it again from the run's --workdir or backup"
        ) from error
    if card["format"] != FORMAT:
        raise UserError(
            f"{path} has card format {card['format']}, expected {FORMAT}: "
            "use the version of this project that wrote it"
        )
    return model, card


def check_fits(card: dict, info: DatasetInfo, data_dir: str) -> None:
    """Raises UserError if a dataset does not fit a model.

    It must have the same outputs and classes, and the same kind of images.
    """
    expected = {o["name"]: o["classes"] for o in card["outputs"]}
    got = {o.name: list(o.classes) for o in info.outputs}
    if expected != got:
        differ = [n for n in expected | got if expected.get(n) != got.get(n)]
        raise UserError(
            f"{data_dir} has other outputs or classes than the model: "
            f"{', '.join(differ)} differ; build it with the class_map.csv of "
            "the training set"
        )
    size = info.image.height, info.image.width
    wanted = card["image"]["height"], card["image"]["width"]
    if size != wanted:
        raise UserError(
            f"{data_dir} holds images of {size[0]} x {size[1]}, the "
            f"model needs {wanted[0]} x {wanted[1]}: build it with "
            f"--image_height={wanted[0]} --image_width={wanted[1]}"
        )
    if info.image.background != card_background(card):
        raise UserError(
            f"{data_dir} holds images on a {info.image.background} background, "
            f"the model needs a {card_background(card)} background: build "
            f"it with --background={card_background(card)} if it is recorded "
            "wrongly, or invert its images"
        )


def card_background(card: Mapping[str, Any]) -> str:
    """Returns the background of a model's images, "light" or "dark"."""
    return card["image"].get("background", background.LIGHT)


def uncalibrate(
    card: dict, logits: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Returns logits, [N, C] for each output, without the calibration."""
    return {
        name: value - np.asarray(card["calibration"][name], np.float32)
        for name, value in logits.items()
    }
