"""The report's views of the whole run: scores, curves, calibration, time."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

from trainer.evaluation import metrics
from trainer.outputs.report import class_views
from trainer.outputs.report.charts import LineChart, Mark, Series
from trainer.outputs.report.run_files import Run, ScoredSplit
from trainer.runtime import useful_time

_STYLES = ("c1", "c2", "c3", "c4", "c5", "c6")
# Parts of the time: name and CSS class.
_TIMES = {
    "steps": "c1",
    "waiting for input": "c2",
    "evaluation": "c3",
    "backups": "c4",
    "start": "c5",
    "compilation and first steps": "c6",
    "lost at resets": "c7",
    "other": "c0",
}


@dataclasses.dataclass(frozen=True)
class Tile:
    """A number in large letters; a tile with `main` is larger."""

    name: str
    figure: str
    note: str
    main: bool = False


@dataclasses.dataclass(frozen=True)
class Dumbbell:
    """A value before and after calibration, on a line from `low` to 1."""

    name: str
    before: float
    after: float
    low: float

    def at(self, value: float) -> float:
        """Returns the position of a value, in percent of the line."""
        return 100 * (value - self.low) / (1.0 - self.low)


@dataclasses.dataclass(frozen=True)
class CalibratedSplit:
    """The dumbbell chart of one split, and its number of images."""

    name: str
    images: int
    low: float
    rows: Sequence[Dumbbell]


@dataclasses.dataclass(frozen=True)
class Times:
    """How the time was spent.

    Attributes:
        spent: (name, CSS class, seconds) of each part that is not 0.
        seconds: Their sum.
        useful_share: Fraction of the time, in [0, 1], that was spent in steps.
        steps_done_twice: Number of steps.
    """

    spent: Sequence[tuple[str, str, float]]
    seconds: float
    useful_share: float
    steps_done_twice: int


def tiles(run: Run, weights: Mapping[str, float]) -> list[Tile]:
    """Returns the scores, and the recalls of the first split."""
    cards: list[Tile] = []
    for name, figures in run.summary.get("judged", {}).items():
        if figures["score"] is None:
            continue
        before = f"{figures['score_uncalibrated']:.4f} before calibration"
        score = Tile(
            f"Score, {where(name)}", f"{figures['score']:.4f}", before, True
        )
        if cards:
            cards.append(score)
            continue
        recalls = [
            Tile(
                class_views.heading(output),
                f"{recall:.3f}",
                f"recall, weight {weights[output]:g}",
            )
            for output, recall in figures["recall"].items()
            if recall is not None
        ]
        cards = [score, *recalls]
    if cards:
        return cards
    scores = [y for _, y in run.series("score")]
    best = f"{max(scores):.4f}" if scores else "none"
    return [Tile("Best score so far", best, "before calibration", True)]


def curves(run: Run) -> list[LineChart]:
    """Returns loss and scores by epoch, with marks for resumes and model."""
    last = run.metrics[-1]["epoch"]
    marks = _leg_marks(run)
    args = {"x_name": "epoch", "x_range": (min(1.0, last - 1), last)}
    loss = Series("training loss", "c1", run.series("loss"))
    figures = [LineChart("Loss", [loss], marks=marks, **args)]
    names = [
        ("score", "score"),
        ("unseen_score", "score, unseen"),
        *(
            (name, name.removeprefix("recall_").replace("_", " "))
            for name in run.metrics[0]
            if name.startswith("recall_")
        ),
    ]
    series = [
        Series(label, "c0" if name == "score" else style, points)
        for (name, label), style in zip(
            names, ("c0", "c6", *_STYLES * 3), strict=False
        )
        if (points := run.series(name))
    ]
    if series:
        figures.append(
            LineChart(
                "Score and recalls",
                series,
                marks=marks + _model_marks(run),
                y_range=(0.0, 1.0),
                **args,
            )
        )
    return figures


def _leg_marks(run: Run) -> list[Mark]:
    if not run.steps_per_epoch:
        return []
    return [
        Mark(
            leg["first_step"] / run.steps_per_epoch,
            f"leg {leg['leg']}",
            f"resumed at step {leg['first_step']} on {leg['devices']}",
        )
        for leg in run.legs
        if leg["first_step"]
    ]


def _model_marks(run: Run) -> list[Mark]:
    """Returns a mark at the first of the epochs whose weights the model has."""
    scores = dict(run.series("score"))
    best = [max(scores, key=scores.__getitem__)] if scores else []
    epochs = run.summary.get("model_epochs", best)
    if not epochs:
        return []
    first, last = epochs[0], epochs[-1]
    if first < last:
        label, text = (
            "model: mean from",
            f"the mean of epochs {first} to {last}",
        )
    elif epochs == best:
        label, text = "best", f"best score: {scores[first]:.4f}"
    else:
        label, text = "model", f"the model of epoch {first}"
    return [Mark(first, label, text, "best")]


def calibration(
    scored: Mapping[str, ScoredSplit], weights: Mapping[str, float]
) -> list[CalibratedSplit]:
    """Returns the score and recalls before and after calibration."""
    splits = []
    for name, split in scored.items():
        after = metrics.evaluate_calibrated(
            split.labels, split.logits, split.calibration, weights
        )
        before = metrics.evaluate(split.labels, split.logits, weights)
        pairs = {"Score": (before["score"], after["score"])}
        pairs |= {
            class_views.heading(output): (before["recall"][output], recall)
            for output, recall in after["recall"].items()
            if recall is not None
        }
        lowest = min(before for before, _ in pairs.values())
        low = min(math.floor(10 * lowest), 9) / 10
        rows = [Dumbbell(n, b, a, low) for n, (b, a) in pairs.items()]
        splits.append(CalibratedSplit(name, after["images"], low, rows))
    return splits


def where(name: str) -> str:
    """Returns a description of the images of "validation" or "unseen"."""
    return {"validation": "held-out fold", "unseen": "unseen graphemes"}[name]


def times(run: Run) -> Times:
    """Returns how the run's time was spent."""
    time = useful_time.summarise(run.legs, run.speed)
    spent = time["seconds"]
    return Times(
        spent=[
            (n, _TIMES[n], seconds) for n, seconds in spent.items() if seconds
        ],
        seconds=sum(spent.values()) or 1.0,
        useful_share=time["useful_share"] or 0.0,
        steps_done_twice=time["steps_done_twice"],
    )
