"""The report's view of single classes: recalls, confusions, mistakes."""

import base64
import html
import io
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from trainer.evaluation import metrics
from trainer.outputs.report import mistakes
from trainer.outputs.report.mistakes import Example, Mistake
from trainer.outputs.report.run_files import ScoredSplit

_BARS = 36  # More classes than that are folded away.
_CONFUSIONS = 12
_MISTAKES = 24
_PICTURES = 3  # of a confusion

Classes = Mapping[str, Sequence[str]]  # By output, the names of its classes.


def choose(split: ScoredSplit) -> tuple[dict, list]:
    """Returns each output's confusions, and the surest mistakes."""
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
        indices.update(confusion.indices[:_PICTURES])
    return indices


def recalls(split: ScoredSplit, classes: Classes) -> str:
    """Returns a bar a class, the worst first, for each output."""
    parts = []
    for output, names in classes.items():
        labels = split.labels[output]
        after, before = (
            metrics.recall_per_class(
                metrics.confusion(labels, values.argmax(axis=1), len(names))
            )
            for values in (split.probabilities(output), split.logits[output])
        )
        counts = np.bincount(labels, minlength=len(names))
        order = sorted(
            (k for k in range(len(names)) if after[k] is not None),
            key=lambda k: (after[k], -counts[k]),
        )
        bars = [
            _bar(names[k], after[k], before[k], int(counts[k])) for k in order
        ]
        absent = len(names) - len(order)
        note = f", {absent} without an example" if absent else ""
        parts.append(
            f"<h3>{title(output)} <small>{len(names)} classes{note}</small>"
            f'</h3><div class="bars">{"".join(bars[:_BARS])}</div>'
        )
        if bars[_BARS:]:
            parts.append(
                f"<details><summary>{len(bars) - _BARS} more, from "
                f"{after[order[_BARS]]:.2f} up</summary>"
                f'<div class="bars">{"".join(bars[_BARS:])}</div></details>'
            )
    return "".join(parts)


def confused_pairs(
    confusions: dict,
    classes: Classes,
    examples: Mapping[int, Example],
) -> str:
    """Returns cards of confusions, a column an output."""
    columns = []
    for output, pairs in confusions.items():
        names = classes[output]
        cards = "".join(
            '<li class="pair"><p>'
            f"{letter(names[c.true])}<span>read as</span>"
            f"{letter(names[c.taken])}<em>{c.count} of {c.total}</em></p><div>"
            + "".join(
                picture(examples[index]) for index in c.indices[:_PICTURES]
            )
            + "</div></li>"
            for c in pairs
        )
        cards = cards or '<li class="pair">No mistake.</li>'
        columns.append(f"<div><h3>{title(output)}</h3><ul>{cards}</ul></div>")
    return f'<div class="columns">{"".join(columns)}</div>'


def gallery(
    mistakes: Sequence[Mistake],
    classes: Classes,
    examples: Mapping[int, Example],
) -> str:
    """Returns the pictures of mistakes with what was written and read."""
    cards = []
    for mistake in mistakes:
        example = examples[mistake.index]
        names = classes[mistake.output]
        cards.append(
            f"<li>{picture(example)}<p>{letter(example.grapheme)}<span>"
            f"{title(mistake.output)}<br>{letter(names[mistake.true])} read as "
            f"{letter(names[mistake.taken])}</span>"
            f"<em>{100 * mistake.probability:.1f} %</em></p></li>"
        )
    return f'<ul class="gallery">{"".join(cards)}</ul>'


def letter(text: str) -> str:
    """Returns a class's text; a sign that needs a letter gets a circle."""
    if text and unicodedata.category(text[0]).startswith("M"):
        text = "\u25cc" + text
    return f'<b class="letter">{html.escape(text)}</b>'


def title(output: str) -> str:
    """Returns an output's name as a title: "Grapheme root"."""
    return html.escape(output.replace("_", " ").capitalize())


def picture(example: Example) -> str:
    """Returns an image as WebP inside the page, a few KB."""
    data = io.BytesIO()
    Image.fromarray(example.image).save(data, "WEBP", quality=40, method=6)
    encoded = base64.b64encode(data.getvalue()).decode()
    height, width = example.image.shape
    return (
        f'<img alt="{html.escape(example.grapheme)}" '
        f'title="{html.escape(example.image_id)}" '
        f'width="{width}" height="{height}" '
        f'src="data:image/webp;base64,{encoded}">'
    )


def _bar(name: str, recall: float, before: float, count: int) -> str:
    return (
        f'<div class="bar" style="--r:{100 * recall:.1f}%;'
        f'--b:{100 * before:.1f}%" title="{recall:.3f}; {before:.3f} before '
        f'calibration; {count} examples">{letter(name)}<i></i>'
        f"<em>{recall:.2f}</em><small>{count}</small></div>"
    )
