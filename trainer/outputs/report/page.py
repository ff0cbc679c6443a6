"""report.html: one file that shows how a run went and where its model fails.

It has no script and makes no request: style, fonts and pictures are inside.
"""

import base64
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import storage
from console import progress
from tfrecord_builder.records.dataset_info import DatasetInfo
from trainer.outputs.report import (
    class_views,
    mistakes,
    run_files,
    run_views,
)
from trainer.outputs.report.run_files import Run, ScoredSplit
from trainer.outputs.templates import environment

NAME = "report.html"
_FOLDER = pathlib.Path(__file__).parent
_WEIGHTS = (400, 600)  # Of the fonts.
_FILTERS = {  # For the templates.
    "heading": class_views.heading,
    "minutes": progress.minutes,
    "webp": class_views.webp,
    "where": run_views.where,
    "with_circle": class_views.with_circle,
}


def write(
    workdir: str | os.PathLike,
    *,
    scored: Mapping[str, ScoredSplit],
    output_weights: Mapping[str, float],
    info: DatasetInfo | None,
    data_dir: str | None,
) -> pathlib.Path:
    """Writes the report of a run to its workdir.

    Args:
        workdir: The folder of the run.
        scored: By name ("validation", "unseen"), the scored splits; empty if
            there is no model yet.
        output_weights: Weight of each output in the score.
        info: The dataset; None only if nothing is scored.
        data_dir: Folder of its shards, for the pictures; None only if nothing
            is scored.

    Raises:
        storage.UserError: The folder is not the workdir of a run.
    """
    run = run_files.read(workdir)
    text = (
        environment.make(_FILTERS)
        .get_template("report.html")
        .render(
            run=run,
            fonts=_fonts(),
            facts=_facts(run, info),
            tiles=run_views.tiles(run, output_weights),
            curves=run_views.curves(run) if run.metrics else [],
            model=_views_of_model(scored, output_weights, info, data_dir)
            if scored and info and data_dir
            else None,
            times=run_views.times(run) if run.legs else None,
        )
    )
    path = pathlib.Path(workdir, NAME)
    storage.write_whole(path, text.encode())
    return path


def _views_of_model(
    scored: Mapping[str, ScoredSplit],
    output_weights: Mapping[str, float],
    info: DatasetInfo,
    data_dir: str,
) -> dict[str, Any]:
    """Returns the variable `model` of the templates."""
    classes = {output.name: output.classes for output in info.outputs}
    name, split = next(iter(scored.items()))
    confusions, surest = class_views.choose(split)
    return {
        "calibration": run_views.calibration(scored, output_weights),
        "images": len(next(iter(split.labels.values()))),
        "where": "of unseen graphemes" if name == "unseen" else "held out",
        "recalls": class_views.recalls(split, classes),
        "confusions": confusions,
        "mistakes": surest,
        "classes": classes,
        "pictures": class_views.PICTURES,
        "examples": mistakes.read_examples(
            info,
            data_dir,
            split.splits,
            class_views.example_indices(confusions, surest),
        ),
    }


def _facts(run: Run, info: DatasetInfo | None) -> list[str]:
    """Returns short texts about the net, the input and the dataset."""
    flags, summary = run.flags, run.summary
    facts = [flags["backbone"]] if flags.get("backbone") else []
    if int(flags.get("input_height", 0)):
        facts.append(f"{flags['input_height']} × {flags['input_width']} pixels")
    if run.metrics:
        facts.append(f"{len(run.metrics)} of {flags.get('epochs', '?')} epochs")
    if summary.get("parameters"):
        facts.append(f"{summary['parameters'] / 1e6:.1f} M parameters")
    if info:
        images = sum(split.records for split in info.splits.values())
        facts.append(f"{images:,} images")
    if len(run.legs) > 1:
        facts.append(f"{len(run.legs)} legs")
    return facts


def _fonts() -> dict[int, str]:
    """Returns the fonts in base64, by weight.

    Not every machine has a font that joins Bengali letters into conjuncts.
    """
    return {
        weight: base64.b64encode(
            (_FOLDER / f"fonts/HindSiliguri-{weight}.woff2").read_bytes()
        ).decode()
        for weight in _WEIGHTS
    }
