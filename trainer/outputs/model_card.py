"""README.md next to model.keras: the model card, for users of the model.

Hugging Face and Kaggle Models read its YAML head. It is made from summary.json
and from the dataset.json within model.keras, with templates/model_card.jinja.
"""

import json
import pathlib
from collections.abc import Mapping
from typing import Any

from absl import logging

import storage
from trainer.models import model_file
from trainer.outputs.templates import environment

NAME = "README.md"
_BEGIN = "---\nlibrary_name: keras\n"
_MOST_CLASSES = 200  # At most this many class names of an output are shown.


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
    text = (
        environment.make()
        .get_template("model_card.jinja")
        .render(
            summary=summary,
            card=card,
            background=model_file.card_background(card),
            model_index=_model_index(summary),
            most_classes=_MOST_CLASSES,
        )
    )
    return f"{text}\n"  # Jinja removes the last newline of a template.


def _model_index(summary: Mapping[str, Any]) -> str:
    """Returns the scores for the YAML head; JSON values are valid YAML."""
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
    if not results:
        return ""
    return json.dumps([{"name": "model.keras", "results": results}])
