"""README.md next to model.keras: the model card, for users of the model.

Hugging Face and Kaggle Models read its YAML head. It is made from summary.json
and from the dataset.json within model.keras.
"""

import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from absl import logging

import storage
from tfrecord_builder.records import background
from trainer.models import model_file

NAME = "README.md"
_BEGIN = "---\nlibrary_name: keras\n"
_MOST_CLASSES = 200  # At most this many class names of an output are shown.

_LOAD = """\
```python
import json
import zipfile

import keras  # 3.10 or later, with TensorFlow

model = keras.models.load_model("model.keras", compile=False)
with zipfile.ZipFile("model.keras") as file:
    classes = {{
        output["name"]: output["classes"]
        for output in json.loads(file.read("dataset.json"))["outputs"]
    }}

images = ...  # [N, {height}, {width}, 1] uint8, {paper}
for output, logits in model(images).items():  # [N, classes] float32
    print(output, [classes[output][i] for i in logits.numpy().argmax(axis=1)])
```
"""
_LIMITS = """\
- It gives one of its classes for every image, even for one that shows something
  else or nothing. It reads one symbol an image, not words or pages.
- It was scored on images of the kind that it was trained on. How well it reads
  other paper, scanners, fonts or writers is not known: try it first.
- Its logits are shifted so that rare classes are found as often as common ones.
  Their softmax says which class is likelier, not how often that is right.
- It must not decide anything about a person, such as a mark, an identity or the
  origin of a text, without somebody who reads the original.
- Its licence cannot give more than that of the images it was trained on: choose
  one before you publish it.
"""


def is_card(path: pathlib.Path) -> bool:
    """Returns whether a file is a model card, not another README.md."""
    return path.read_bytes().startswith(_BEGIN.encode())


def write(folder: pathlib.Path) -> None:
    """Writes the card to a finished run's workdir, completely or not at all.

    A README.md that is not a model card belongs to the user and is not changed.

    Args:
        folder: The folder with model.keras and summary.json.
    """
    path = folder / NAME
    if path.exists() and not is_card(path):
        logging.warning("%s is no model card: it is not replaced", path)
        return
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    card = model_file.read_card(folder / "model.keras")
    storage.write_whole(path, make(summary, card).encode())


def make(summary: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    """Returns the text of the model card.

    Args:
        summary: summary.json of a finished run.
        card: The model's dataset.json.
    """
    image = card["image"]
    names = ", ".join(output["name"] for output in card["outputs"])
    parts = [
        _head(summary),
        f"# Classifier of {names}\n",
        f"From an image of {image['height']} x {image['width']} gray pixels to "
        f"a class of each of {len(card['outputs'])} outputs. A Keras model of "
        f"{summary['parameters']:,} parameters, preprocessing and calibration "
        f"inside, trained for {summary['epochs']} epochs with Keras "
        f"{summary['versions']['keras']} and TensorFlow "
        f"{summary['versions']['tensorflow']}.\n",
        "## Data\n",
        _data(summary, card),
        "## Scores\n",
        *_scores(summary, card),
        "## Outputs and classes\n",
        *_classes(card),
        "## How to load it\n",
        _LOAD.format(
            height=image["height"], width=image["width"], paper=_paper(card)
        ),
        "A net of keras-cv needs the package keras-cv, too.\n",
        "## What it must not be used for\n",
        _LIMITS,
    ]
    return "\n".join(parts)


def _paper(card: Mapping[str, Any]) -> str:
    """Returns a description of the images."""
    if model_file.card_background(card) == background.DARK:
        return "ink light on dark paper"
    return "ink dark on light paper"


def _head(summary: Mapping[str, Any]) -> str:
    """Returns the YAML head; JSON values are valid YAML."""
    results = [
        {
            "task": {"type": "image-classification"},
            "dataset": {"name": name, "type": "image", "split": name},
            "metrics": [
                {
                    "type": "recall",
                    "name": "weighted macro recall",
                    "value": round(figures["score"], 4),
                }
            ],
        }
        for name, figures in summary["judged"].items()
        if figures["score"] is not None
    ]
    lines = [
        "pipeline_tag: image-classification",
        "tags: [keras, tensorflow, image-classification, handwriting]",
    ]
    if results:
        index = [{"name": "model.keras", "results": results}]
        lines += ["metrics: [recall]", f"model-index: {json.dumps(index)}"]
    return _BEGIN + "\n".join([*lines, "---", ""])


def _data(summary: Mapping[str, Any], card: Mapping[str, Any]) -> str:
    source, stored = card["source_image"], card["image"]
    text = f"Images of {source['height']} x {source['width']} pixels"
    if card["resize"]:
        text += (
            f", reduced to {stored['height']} x {stored['width']} (method "
            f"{card['resize']['method']}) before the model sees them"
        )
    held_out = [
        f"{figures['images']:,} ({name})"
        for name, figures in summary["judged"].items()
    ]
    if not held_out:
        return f"{text}. No image was held out.\n"
    return f"{text}. Not trained on: {', '.join(held_out)}.\n"


def _scores(
    summary: Mapping[str, Any], card: Mapping[str, Any]
) -> Iterator[str]:
    """Yields paragraphs: a table, and what the scores mean."""
    if not summary["judged"]:
        yield "It has no score: no image was held out of the training.\n"
        return
    weights = card["output_weights"]
    rows = [
        ["images", "score", "before calibration", *weights],
        ["---"] * (3 + len(weights)),
    ]
    titles = ["split", "---"]
    for name, figures in summary["judged"].items():
        titles.append(name)
        rows.append(
            [
                f"{figures['images']:,}",
                _number(figures["score"]),
                _number(figures["score_uncalibrated"]),
                *(_number(figures["recall"][output]) for output in weights),
            ]
        )
    yield "".join(
        f"| {' | '.join([title, *row])} |\n"
        for title, row in zip(titles, rows, strict=True)
    )
    shares = ", ".join(f"{name} {weight:g}" for name, weight in weights.items())
    yield (
        "An output's number is its recall, averaged over its classes; the "
        f"score is their mean, weighted {shares}."
    )
    if "unseen" in summary["judged"]:
        yield (
            "The images of `unseen` show combinations of classes that no image "
            "of the training has."
        )
    if summary["calibration"]:
        yield (
            "The weights and the calibration were chosen on the images of "
            "`validation`. With a calibration that was fitted on other images "
            "than it is scored on (cross-fitted), the score on them is "
            f"{_number(summary['calibration']['score'])}."
        )
    yield ""


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _classes(card: Mapping[str, Any]) -> Iterator[str]:
    """Yields one paragraph for each output."""
    for output in card["outputs"]:
        classes = output["classes"]
        shown = " ".join(f"`{name}`" for name in classes[:_MOST_CLASSES])
        if len(classes) > _MOST_CLASSES:
            shown += f" and {len(classes) - _MOST_CLASSES} more"
        yield f"**{output['name']}**, {len(classes)} classes: {shown}\n"
