"""Writes report.html of a workdir: curves, scores, mistakes, times.

  python trainer/report.py --workdir=WORKDIR --data_dir=RECORDS

A run writes it at its end by itself. This makes it of any workdir, also of
one that is not finished: without a model.keras it shows the curves alone.
"""

from absl import flags

from console import command
from flags.trainer import report_flags

if __name__ == "__main__":
    # Parses the flags: --help and mistakes do not wait for the imports.
    command.begin(report_flags, importing="TensorFlow")

import pathlib

from absl import logging

from console.progress import Progress
from storage import UserError
from tfrecord_builder.records import dataset_info
from trainer.evaluation.split_predictor import Judge
from trainer.models import model_file
from trainer.outputs.report import page, run_files
from trainer.outputs.report.run_files import Judged
from trainer.runtime import devices

FLAGS = flags.FLAGS


def main() -> None:
    run = run_files.read(FLAGS.workdir)
    model_path = pathlib.Path(FLAGS.workdir, "model.keras")
    data_dir = FLAGS.data_dir or run.flags.get("data_dir")
    judged, weights, info = {}, {}, None
    if not model_path.exists():
        logging.info("%s is not there: the curves alone are shown", model_path)
    elif not data_dir:
        raise UserError(
            f"{FLAGS.workdir} has no flags.txt that names its records: give "
            "--data_dir"
        )
    else:
        info = dataset_info.read(data_dir)
        model, card = model_file.read(model_path)
        model_file.check_fits(card, info, data_dir)
        judged = judge_splits(model, card, info, data_dir, run)
        weights = card["output_weights"]
    path = page.write(
        FLAGS.workdir,
        judged=judged,
        output_weights=weights,
        info=info,
        data_dir=data_dir,
    )
    print(f"wrote {path}: {path.stat().st_size / 1e6:.1f} MB")


def judge_splits(model, card, info, data_dir, run):
    """Returns, by name, what the model says of the run's judged splits."""
    splits = {}
    if int(run.flags.get("validation_fold", 0)) >= 0:
        fold = f"fold{run.flags.get('validation_fold', 0)}"
        splits["validation"] = (fold,)
    if dataset_info.UNSEEN in info.splits:
        splits["unseen"] = (dataset_info.UNSEEN,)
    judge_ = Judge(
        devices.choose(precision="float32").strategy,
        model,
        info=info,
        data_dir=data_dir,
        batch_size=FLAGS.batch_size,
    )
    found = {}
    for name, members in splits.items():
        images = sum(info.splits[member].records for member in members)
        with Progress(f"evaluating {name}", total=images) as progress:
            labels, logits = judge_(members, on_batch=progress.advance)
        found[name] = Judged(
            members,
            labels,
            model_file.uncalibrate(card, logits),
            card["calibration"],
        )
    return found


def run() -> None:
    """Runs the command; never returns."""
    command.run(main, report_flags, user_errors=(UserError,))


if __name__ == "__main__":
    run()
