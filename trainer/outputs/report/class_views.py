"""The report's views of single classes: recalls, confusions, mistakes."""

import base64
import dataclasses
import io
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from trainer.evaluation import metrics
from trainer.outputs.report import mistakes
from trainer.outputs.report.run_files import ScoredSplit

_BARS = 36  # The bars of more classes are hidden until a click.
_CONFUSIONS = 12
_MISTAKES = 24
PICTURES = 3  # Number of pictures of a confusion.

Classes = Mapping[str, Sequence[str]]  # The class names of each output.


@dataclasses.dataclass(frozen=True)
class Bar:
    """A class's recall with and without calibration, and its images."""

    name: str
    recall: float
    before: float
    count: int


@dataclasses.dataclass(frozen=True)
class Recalls:
    """The classes of an output that have images, lowest recall first."""

    output: str
    classes: int
    bars: Sequence[Bar]
    folded: Sequence[Bar]


def choose(split: ScoredSplit) -> tuple[dict, list]:
    """Returns each output's confusions, and the most confident mistakes."""
    probabilities = {name: split.probabilities(name) for name in split.labels}
    confusions = {
        name: mistakes.find_confusions(
            split.labels[name],
            p,
            limit=max(3, _CONFUSIONS // len(split.labels)),
        )
        for name, p in probabilities.items()
    }
    surest = mistakes.find_surest(split.labels, probabilities, limit=_MISTAKES)
    return confusions, surest


def example_indices(confusions: dict, mistakes: list) -> set[int]:
    """Returns the indices of the examples whose pictures are shown."""
    indices = {mistake.index for mistake in mistakes}
    for confusion in (c for row in confusions.values() for c in row):
        indices.update(confusion.indices[:PICTURES])
    return indices


def recalls(split: ScoredSplit, classes: Classes) -> list[Recalls]:
    """Returns the recall of each class of each output."""
    outputs = []
    for output, names in classes.items():
        labels = split.labels[output]
        after, before = (
            metrics.recall_per_class(
                metrics.confusion(labels, values.argmax(axis=1), len(names))
            )
            for values in (split.probabilities(output), split.logits[output])
        )
        counts = np.bincount(labels, minlength=len(names))
        bars = [
            Bar(name, recall, old, int(count))
            for name, recall, old, count in zip(
                names, after, before, counts, strict=True
            )
            if recall is not None and old is not None
        ]
        bars.sort(key=lambda bar: (bar.recall, -bar.count))
        outputs.append(Recalls(output, len(names), bars[:_BARS], bars[_BARS:]))
    return outputs


def with_circle(text: str) -> str:
    """Returns a class's text; a combining sign gets a dotted circle."""
    if text and unicodedata.category(text[0]).startswith("M"):
        return "\u25cc" + text
    return text


def heading(output: str) -> str:
    """Returns an output's name as a heading: "Grapheme root"."""
    return output.replace("_", " ").capitalize()


def webp(image: np.ndarray) -> str:
    """Returns [H, W] uint8 as a WebP file in base64, a few KB."""
    data = io.BytesIO()
    Image.fromarray(image).save(data, "WEBP", quality=40, method=6)
    return base64.b64encode(data.getvalue()).decode()
