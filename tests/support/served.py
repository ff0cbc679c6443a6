"""Small model.keras files whose answers are known without training.

    served.write(path)          its class is colour % 7 (root), % 3 (vowel)

Images are of one colour; the models look it up.
"""

import json
import pathlib
import zipfile

import keras

HEIGHT, WIDTH = 4, 6
OUTPUTS = {"root": 7, "vowel": 3}


def make_model(scale: float = 1.0, add: int = 0) -> keras.Model:
    """Returns a model whose logit of class (colour + add) % C is `scale`."""
    images = keras.Input((HEIGHT, WIDTH, 1), dtype="uint8")
    colour = keras.ops.cast(images[:, 0, 0, 0], "int32") + add
    logits = {
        name: keras.ops.one_hot(colour % classes, classes) * scale
        for name, classes in OUTPUTS.items()
    }
    return keras.Model(images, logits)


def make_card(**changes) -> dict:
    return {
        "format": 1,
        "outputs": [
            {"name": name, "classes": list(map(str, range(classes)))}
            for name, classes in OUTPUTS.items()
        ],
        "image": {"height": HEIGHT, "width": WIDTH},
        "source_image": {"height": HEIGHT * 2, "width": WIDTH * 2},
        "resize": {"method": "area", "height": HEIGHT, "width": WIDTH},
        "output_weights": {"root": 2, "vowel": 1},
        "calibration": {n: [0.0] * c for n, c in OUTPUTS.items()},
    } | changes


def write(path: pathlib.Path, model=None, **changes) -> None:
    """Writes a model, make_model()'s by default, and its card, changed."""
    (model or make_model()).save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("dataset.json", json.dumps(make_card(**changes)))
