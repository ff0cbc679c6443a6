"""Scores a model.keras on a split: macro recall of each output, and their mean.

  python trainer/evaluate.py --model=WORKDIR/model.keras --data_dir=RECORDS \\
      --split=fold0 --output=scores.json

A class with no example in the split has no recall: it is null in the JSON and
does not count in the mean. --tta=4 scores the predictions of predict.py
--tta=4.
"""

from absl import flags

from console import command
from flags.trainer import accelerator_flags, evaluate_flags, views_flags

if __name__ == "__main__":
    # Parses the flags: --help and mistakes do not wait for the imports.
    command.begin(
        evaluate_flags,
        views_flags,
        accelerator_flags,
        importing="TensorFlow",
    )

import json
import pathlib
from collections.abc import Callable

from absl import logging

import storage
from console.progress import Progress
from storage import UserError
from tfrecord_builder.records import dataset_info
from tfrecord_builder.records.dataset_info import DatasetInfo
from trainer.evaluation import metrics, saved_model
from trainer.inference import ensemble
from trainer.inference.ensemble import Member
from trainer.models import model_file

FLAGS = flags.FLAGS


def main() -> None:
    info = dataset_info.read(FLAGS.data_dir)
    splits = choose_splits(info, FLAGS.split)
    predictor, card = command.with_flags(
        saved_model.load, path=FLAGS.model, info=info, change=use_views
    )
    images = sum(info.splits[split].records for split in splits)
    logging.info(
        "%d images of %s in %s", images, ", ".join(splits), FLAGS.data_dir
    )
    with Progress("evaluating", total=images) as progress:
        labels, logits = predictor(splits, on_batch=progress.advance)
    scores = metrics.evaluate_calibrated(
        labels,
        model_file.uncalibrate(card, logits),
        card["calibration"],
        card["output_weights"],
    )
    write(FLAGS.output, {"split": FLAGS.split, "tta": FLAGS.tta} | scores)
    for name, recall in scores["recall"].items():
        print(f"recall {name:<24}{recall:.4f}")
    print(
        f"score {scores['score']:.4f} (uncalibrated "
        f"{scores['score_uncalibrated']:.4f}); wrote {FLAGS.output}"
    )


def use_views(model: Callable, card: dict) -> Callable:
    """Returns the model or, with --tta, its mean over views of an image."""
    if FLAGS.tta == 1:
        return model
    member = Member(FLAGS.model, model, card)
    return ensemble.average_views(member, FLAGS.tta)


def choose_splits(info: DatasetInfo, split: str) -> tuple[str, ...]:
    """Returns the dataset's splits that --split names."""
    if split == "all":
        return tuple(info.splits)
    if split not in info.splits:
        raise UserError(
            f"--split={split}: {FLAGS.data_dir} has {', '.join(info.splits)}; "
            "all uses every split"
        )
    return (split,)


def write(path: str, scores: dict) -> None:
    """Writes the scores; creates their folder if it does not exist."""
    target = pathlib.Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(scores, indent=1, ensure_ascii=False)
    storage.write_whole(target, text.encode())


def run() -> None:
    """Runs the command; never returns."""
    command.run(
        main,
        evaluate_flags,
        views_flags,
        accelerator_flags,
        user_errors=(UserError,),
    )


if __name__ == "__main__":
    run()
