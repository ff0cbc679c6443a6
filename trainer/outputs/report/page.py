"""report.html: one file that shows how a run went and where its model fails.

No script, no request: style, letters and pictures are in the page.
"""

import base64
import html
import os
import pathlib
from collections.abc import Mapping

import storage
from tfrecord_builder.records.dataset_info import DatasetInfo
from trainer.outputs.report import (
    class_views,
    mistakes,
    run_files,
    run_views,
)
from trainer.outputs.report.run_files import Run, ScoredSplit

NAME = "report.html"
_FOLDER = pathlib.Path(__file__).parent
_WEIGHTS = (400, 600)  # Of the letters.


def write(
    workdir: str | os.PathLike,
    *,
    scored: Mapping[str, ScoredSplit],
    output_weights: Mapping[str, float],
    info: DatasetInfo | None,
    data_dir: str,
) -> pathlib.Path:
    """Writes the report of a workdir into it.

    Args:
        workdir: The folder of the run.
        scored: By name ("validation", "unseen"), what its model says; empty
            where there is no model yet.
        output_weights: By output, its weight in the score.
        info: The dataset; None only where nothing is scored.
        data_dir: Folder of its shards, for the pictures.

    Raises:
        storage.UserError: The workdir is no run's.
    """
    run = run_files.read(workdir)
    sections = [("Learning", run_views.curves(run))] if run.metrics else []
    if scored:
        sections += _model_sections(run, scored, output_weights, info, data_dir)
    if run.legs:
        sections.append(("Where the time went", run_views.times(run)))
    sections.append(("This run", _particulars(run)))
    body = _header(run, info) + run_views.tiles(run, output_weights)
    for title, text in sections:
        body += f"<section><h2>{title}</h2>{text}</section>"
    path = pathlib.Path(workdir, NAME)
    storage.write_whole(path, _page(body).encode())
    return path


def _model_sections(
    run: Run,
    scored: Mapping[str, ScoredSplit],
    output_weights: Mapping[str, float],
    info: DatasetInfo,
    data_dir: str,
) -> list[tuple[str, str]]:
    classes = {output.name: output.classes for output in info.outputs}
    name, split = next(iter(scored.items()))
    confusions, surest = class_views.choose(split)
    examples = mistakes.read_examples(
        info,
        data_dir,
        split.splits,
        class_views.example_indices(confusions, surest),
    )
    where = "of unseen graphemes" if name == "unseen" else "held out"
    return [
        (
            "Before and after calibration",
            run_views.calibration(scored, run, output_weights),
        ),
        (
            "Recall of each class",
            f"<p>On the {len(next(iter(split.labels.values()))):,} images "
            f"{where}, worst first. The tick is the recall before calibration, "
            "the small number counts the class's images.</p>"
            + class_views.recalls(split, classes),
        ),
        (
            "Most confused",
            class_views.confused_pairs(confusions, classes, examples),
        ),
        (
            "Surest mistakes",
            "<p>What was written, and what the model was surest of reading "
            "instead. Some labels are wrong, too.</p>"
            + class_views.gallery(surest, classes, examples),
        ),
    ]


def _header(run: Run, info: DatasetInfo | None) -> str:
    flags, summary = run.flags, run.summary
    facts = [flags.get("backbone", "")]
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
    state = (
        ""
        if summary.get("finished")
        else '<mark class="state">unfinished</mark>'
    )
    return (
        f"<header><h1>Training report {state}</h1>"
        f"<p>{' · '.join(html.escape(fact) for fact in facts if fact)}</p>"
        "</header>"
    )


def _particulars(run: Run) -> str:
    """Returns versions, digest and flags, folded."""
    rows = [
        *run.summary.get("versions", {}).items(),
        ("final_state_sha256", run.summary.get("final_state_sha256", "")),
    ]
    flags = "\n".join(f"--{name}={value}" for name, value in run.flags.items())
    facts = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(str(value))}</dd>"
        for name, value in rows
        if value
    )
    return (
        f"<dl>{facts}</dl><details><summary>Flags</summary>"
        f"<pre>{html.escape(flags)}</pre></details>"
    )


def _page(body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>Training report</title><style>{_font_faces()}\n"
        f"{(_FOLDER / 'report.css').read_text('utf-8')}</style>"
        f"<main>{body}</main></html>\n"
    )


def _font_faces() -> str:
    """Returns @font-face rules that hold the fonts themselves.

    Not every machine has a font that joins Bengali letters into conjuncts.
    """
    faces = []
    for weight in _WEIGHTS:
        path = _FOLDER / f"fonts/HindSiliguri-{weight}.woff2"
        data = base64.b64encode(path.read_bytes()).decode()
        faces.append(
            "@font-face{font-family:'Hind Siliguri';font-display:block;"
            f"font-weight:{weight};"
            f"src:url(data:font/woff2;base64,{data}) format('woff2')}}"
        )
    return "\n".join(faces)
