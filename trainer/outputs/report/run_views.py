"""The report's view of the whole run: scores, curves, calibration, time."""

import html
import math
from collections.abc import Mapping
from typing import Any

from console import progress
from trainer.evaluation import metrics
from trainer.outputs.report import charts, class_views
from trainer.outputs.report.charts import Mark, Series
from trainer.outputs.report.run_files import Run, ScoredSplit
from trainer.runtime import useful_time

_STYLES = ("c1", "c2", "c3", "c4", "c5", "c6")
# Where time goes: (name, CSS class).
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


def tiles(run: Run, weights: Mapping[str, float]) -> str:
    """Returns the score in large figures."""
    scored = run.summary.get("judged", {})
    cards = []
    for name, figures in scored.items():
        if figures["score"] is None:
            continue
        before = figures["score_uncalibrated"]
        cards.append(
            f'<div class="tile main"><p>Score, {where(name)}</p>'
            f"<strong>{figures['score']:.4f}</strong>"
            f"<small>{before:.4f} before calibration</small></div>"
        )
        if len(cards) == 1:
            cards += [
                f'<div class="tile"><p>{class_views.title(output)}</p>'
                f"<strong>{recall:.3f}</strong>"
                f"<small>recall, weight {weights[output]:g}</small></div>"
                for output, recall in figures["recall"].items()
                if recall is not None
            ]
    if not cards:
        scores = [y for _, y in run.series("score")]
        best = f"{max(scores):.4f}" if scores else "none"
        cards = [
            '<div class="tile main"><p>Best score so far</p>'
            f"<strong>{best}</strong><small>before calibration</small></div>"
        ]
    return f'<div class="tiles">{"".join(cards)}</div>'


def curves(run: Run) -> str:
    """Returns loss and scores by epoch, with resumes and the model's epochs."""
    last = run.metrics[-1]["epoch"]
    marks = _leg_marks(run)
    args = {"x_name": "epoch", "x_range": (min(1.0, last - 1), last)}
    loss = Series("training loss", "c1", run.series("loss"))
    parts = [
        "<figure><figcaption>Loss</figcaption>"
        + charts.line_chart([loss], marks=marks, **args)
        + "</figure>"
    ]
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
        parts.append(
            "<figure><figcaption>Score and recalls</figcaption>"
            + charts.line_chart(
                series,
                marks=marks + _model_marks(run),
                y_range=(0.0, 1.0),
                **args,
            )
            + "</figure>"
        )
    return f'<div class="figures">{"".join(parts)}</div>'


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
    """Returns a mark where the epochs begin whose weights the model has."""
    scores = dict(run.series("score"))
    best = [max(scores, key=scores.get)] if scores else []
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
    scored: Mapping[str, ScoredSplit],
    run: Run,
    weights: Mapping[str, float],
) -> str:
    """Returns before and after calibration as a line of two points each."""
    rows = []
    for name, split in scored.items():
        after = metrics.evaluate_calibrated(
            split.labels, split.logits, split.calibration, weights
        )
        before = metrics.evaluate(split.labels, split.logits, weights)
        pairs = {"Score": (before["score"], after["score"])}
        pairs |= {
            class_views.title(output): (before["recall"][output], recall)
            for output, recall in after["recall"].items()
            if recall is not None
        }
        lowest = min(before for before, _ in pairs.values())
        low = min(math.floor(10 * lowest), 9) / 10
        rows.append(
            f'<tr class="head"><th>{where(name).capitalize()}</th>'
            f"<td>before</td><td class=track><span>{low:g}</span>"
            f"<span>{after['images']:,} images</span><span>1</span></td>"
            "<td>after</td></tr>"
        )
        rows += [_dumbbell(n, b, a, low) for n, (b, a) in pairs.items()]
    fitted = run.summary.get("calibration")
    note = ""
    if fitted:
        note = (
            "<p>The calibration was chosen on the held-out fold. Cross-fitted, "
            "each part of it scored with what the other parts chose, the score "
            f"is <em>{fitted['score']:.4f}</em>: what to expect of new "
            "images.</p>"
        )
    return f'<table class="dumbbells">{"".join(rows)}</table>{note}'


def where(name: str) -> str:
    """Returns what people call the images that a name stands for."""
    return {"validation": "held-out fold", "unseen": "unseen graphemes"}[name]


def _dumbbell(name: str, before: float, after: float, low: float) -> str:
    b, a = (100 * (value - low) / (1.0 - low) for value in (before, after))
    worse = ";--good:var(--bad)" if a < b else ""
    return (
        f"<tr><th>{name}</th><td>{before:.4f}</td><td class=track>"
        f'<div style="--l:{min(a, b):.2f}%;--h:{max(a, b):.2f}%;--b:{b:.2f}%;'
        f'--a:{a:.2f}%{worse}"><i></i><i></i><i></i></div></td>'
        f"<td><em>{after:.4f}</em></td></tr>"
    )


def times(run: Run) -> str:
    """Returns where the run's time went, and what each leg ran on."""
    time = useful_time.summarise(run.legs, run.speed)
    spent = time["seconds"]
    bar = charts.stacked_bar(
        [
            (_TIMES[name], f"{name}: {progress.minutes(seconds)}", seconds)
            for name, seconds in spent.items()
        ]
    )
    total = sum(spent.values()) or 1.0
    keys = "".join(
        f'<span class="key {_TIMES[name]}">{name} '
        f"<em>{progress.minutes(seconds)}</em> {100 * seconds / total:.0f} %"
        "</span>"
        for name, seconds in spent.items()
        if seconds
    )
    rows = "".join(
        f"<tr><td>{leg['leg']}</td><td>{html.escape(leg['devices'])}</td>"
        f"<td>{leg['first_step']:,} – {leg['last_step']:,}</td>"
        f"<td>{_rate(leg)}</td></tr>"
        for leg in run.legs
    )
    share = (
        f"{100 * (time['useful_share'] or 0):.0f} % of the time became steps"
    )
    if time["steps_done_twice"]:
        share += f"; {time['steps_done_twice']:,} steps were done twice"
    return (
        f'<p>{share}.</p>{bar}<p class="legend">{keys}</p>'
        '<div class="scroll"><table class=legs>'
        "<tr><th>Leg</th><th>Devices</th><th>Steps</th>"
        f"<th>Images/s</th></tr>{rows}</table></div>"
    )


def _rate(leg: Mapping[str, Any]) -> str:
    rate = leg.get("images_per_second")
    return f"{rate:,.0f}" if rate else "–"
