"""Writes report.html of a workdir: curves, scores, mistakes, times.

  python trainer/report.py --workdir=WORKDIR --data_dir=RECORDS

A run writes its own report when it ends. This command writes the report of any
workdir, also of an unfinished run: without a model.keras the report shows only
the curves.
"""

from absl import flags

from console import command
from flags.trainer import accelerator_flags, report_flags

if __name__ == "__main__":
    # Parses the flags: --help and mistakes do not wait for the imports.
    command.begin(report_flags, accelerator_flags, importing="TensorFlow")

import pathlib

from absl import logging

from console.progress import Progress
from storage import UserError
from tfrecord_builder.records import dataset_info
from tfrecord_builder.records.dataset_info import DatasetInfo
from trainer.evaluation import saved_model
from trainer.models import model_file
from trainer.outputs.report import page, run_files
from trainer.outputs.report.run_files import ScoredSplit
from trainer.stream import training_data

FLAGS = flags.FLAGS
MODEL = "model.keras"


def main() -> None:
    run = run_files.read(FLAGS.workdir)
    model_path = pathlib.Path(FLAGS.workdir, MODEL)
    data_dir = FLAGS.data_dir or run.flags.get("data_dir")
    scored, weights, info = {}, {}, None
    if not model_path.exists():
        logging.info("%s is missing: only the curves are shown", model_path)
    elif not data_dir:
        raise UserError(
            f"{FLAGS.workdir} has no flags.txt that names its records: give "
            "--data_dir"
        )
    else:
        info = dataset_info.read(data_dir)
        fold = int(run.flags.get("validation_fold", 0))
        scored, weights = score_splits(info, data_dir, fold)
    path = page.write(
        FLAGS.workdir,
        scored=scored,
        output_weights=weights,
        info=info,
        data_dir=data_dir,
    )
    print(f"wrote {path}: {path.stat().st_size / 1e6:.1f} MB")


def score_splits(
    info: DatasetInfo, data_dir: str, validation_fold: int
) -> tuple[dict[str, ScoredSplit], dict[str, float]]:
    """Scores the model on the splits that its run was evaluated on.

    Args:
        info: The dataset.
        data_dir: Its folder.
        validation_fold: The fold that the run held out; -1 for none.

    Returns:
        The scored splits, by name, and the weights of the outputs.
    """
    predictor, card = command.with_flags(
        saved_model.load,
        path=pathlib.Path(FLAGS.workdir, MODEL),
        info=info,
        data_dir=data_dir,
    )
    splits = training_data.evaluated_splits(
        info, validation_fold=validation_fold
    )
    scored = {}
    for name, members in splits.items():
        images = sum(info.splits[member].records for member in members)
        with Progress(f"evaluating {name}", total=images) as progress:
            labels, logits = predictor(members, on_batch=progress.advance)
        scored[name] = ScoredSplit(
            members,
            labels,
            model_file.uncalibrate(card, logits),
            card["calibration"],
        )
    return scored, card["output_weights"]


def run() -> None:
    """Runs the command; never returns."""
    command.run(main, report_flags, accelerator_flags, user_errors=(UserError,))


if __name__ == "__main__":
    run()
