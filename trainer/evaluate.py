"""Scores a model.keras on a split: macro recall by output, and their mean.

  python trainer/evaluate.py --model=WORKDIR/model.keras --data_dir=RECORDS \
      --split=fold0 --output=scores.json

A class without a true example in the split has no recall: it is null in the
JSON and left out of the mean.
"""

import json
import os
import pathlib

import numpy as np
from absl import flags, logging

import storage
from flags import command, evaluate_flags
from tfrecord_builder import dataset_info
from trainer import distribution, judge, metrics, model_file, progress

FLAGS = flags.FLAGS


def main() -> None:
    info = dataset_info.read(FLAGS.data_dir)
    splits = choose_splits(info, FLAGS.split)
    model, card = model_file.read(FLAGS.model)
    check_fits(card, info)
    images = sum(info.splits[split].records for split in splits)
    logging.info(
        "%d images of %s in %s", images, ", ".join(splits), FLAGS.data_dir
    )
    shown = progress.Progress(images, unit=("images", 1))
    judge_ = judge.Judge(
        distribution.choose(precision="float32").strategy,
        model,
        info=info,
        data_dir=FLAGS.data_dir,
        batch_size=FLAGS.batch_size,
    )
    labels, logits = judge_(
        splits, on_batch=lambda done: shown.update(done, f"{done}/{images}")
    )
    shown.close()
    calibration = card["calibration"]
    plain = {
        name: value - np.asarray(calibration[name], np.float32)
        for name, value in logits.items()
    }
    judged = metrics.judge_calibrated(
        labels, plain, calibration, card["output_weights"]
    )
    write(FLAGS.output, {"split": FLAGS.split} | judged)
    for name, recall in judged["recall"].items():
        print(f"recall {name:<24}{recall:.4f}")
    print(
        f"score {judged['score']:.4f} (uncalibrated "
        f"{judged['score_uncalibrated']:.4f}); wrote {FLAGS.output}"
    )


def choose_splits(
    info: dataset_info.DatasetInfo, split: str
) -> tuple[str, ...]:
    """Returns the dataset's splits that --split names."""
    if split == "all":
        return tuple(info.splits)
    if split not in info.splits:
        raise storage.UserError(
            f"--split={split}: {FLAGS.data_dir} has {', '.join(info.splits)}; "
            "all takes every one"
        )
    return (split,)


def check_fits(card: dict, info: dataset_info.DatasetInfo) -> None:
    """Refuses a dataset with other outputs, classes or image size."""
    expected = {o["name"]: o["classes"] for o in card["outputs"]}
    got = {o.name: list(o.classes) for o in info.outputs}
    if expected != got:
        differ = [n for n in expected | got if expected.get(n) != got.get(n)]
        raise storage.UserError(
            f"{FLAGS.data_dir} has other outputs or classes than the model: "
            f"{', '.join(differ)} differ; build it with the class_map.csv of "
            "the training set"
        )
    size = info.image.height, info.image.width
    wanted = card["image"]["height"], card["image"]["width"]
    if size != wanted:
        raise storage.UserError(
            f"{FLAGS.data_dir} holds images of {size[0]} x {size[1]}, the "
            f"model takes {wanted[0]} x {wanted[1]}: build it with "
            f"--image_height={wanted[0]} --image_width={wanted[1]}"
        )


def write(path: str, scores: dict) -> None:
    """Writes the scores whole: temporary name, fsync, rename."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(scores, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def run() -> None:
    """Runs the command; never returns."""
    command.run(main, evaluate_flags, user_errors=(storage.UserError,))


if __name__ == "__main__":
    run()
