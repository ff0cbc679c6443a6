"""Predicts test images with trained models and writes submission.csv.

    python trainer/predict.py --model=WORKDIR/model.keras --input_dir=DIR \\
        --output=submission.csv

Needs only the parquet files and the models. A model's card records how the
builder changed the training images; the test images are changed in the same
way.

If the command was killed, run it again: it predicts only the missing files.
OUTPUT.parts holds the probabilities of the other files until OUTPUT is written.
A part that is damaged, or that was made with other models, flags, library
versions or another kind of device, is predicted again, so that OUTPUT never
mixes them.
"""

from absl import flags

from console import command
from flags.trainer import (
    accelerator_flags,
    ensemble_flags,
    predict_flags,
    views_flags,
)

if __name__ == "__main__":
    # Parses the flags: --help and mistakes do not wait for the imports.
    command.begin(
        ensemble_flags,
        predict_flags,
        views_flags,
        accelerator_flags,
        importing="TensorFlow",
    )

import pathlib
import time

from absl import logging

import storage
from console.progress import Progress
from storage import UserError
from tfrecord_builder.parquet import parquet_reader
from tfrecord_builder.parquet.parquet_reader import Source
from trainer.inference import (
    background_check,
    ensemble,
    file_predictions,
    submission,
)
from trainer.inference.ensemble import Member
from trainer.inference.probabilities import Parts
from trainer.inference.submission import Predictions
from trainer.runtime import devices, numerics

FLAGS = flags.FLAGS


def main() -> None:
    """Checks all input, predicts the missing files, then writes the output."""
    output = make_output(FLAGS.output)
    table = make_output(FLAGS.probabilities) if FLAGS.probabilities else None
    gpus = devices.prepare(FLAGS.accelerator)
    members = ensemble.read(FLAGS.model)
    classes = members[0].classes
    source = parquet_reader.open_source(
        FLAGS.input_dir,
        FLAGS.input_glob,
        guesses=(members[0].source_size,),
        advice="predict images of the size that the model was trained on",
    )
    image_ids, sides = source.scan()
    background_check.warn(sides, members[0].background)
    order = submission.read_order(source, image_ids.to_pylist(), list(classes))
    # The padding of a batch must not depend on which files are missing.
    batch_size = min(FLAGS.batch_size, max(sum(f.groups) for f in source.files))
    parts = Parts(
        output.with_name(f"{output.name}.parts"),
        classes=classes,
        made_by={
            "models": list(map(storage.file_digest, FLAGS.model)),
            "tta": FLAGS.tta,
            "batch_size": batch_size,
            **numerics.describe(gpus),
        },
    )
    speed = predict_missing(source, parts, members, batch_size=batch_size)

    names = [file.name for file in source.files if sum(file.groups)]
    predictions = Predictions(list(classes))
    for name in names:
        image_ids, made = parts.read(name)
        predictions.add(image_ids, {k: v.argmax(1) for k, v in made.items()})
    if table:
        parts.join(table, names)
    rows = submission.write(output, predictions.rows(order))
    parts.remove()
    print(
        f"wrote {output}: {rows} rows for {len(predictions)} images, "
        f"{speed:.1f} images/s"
    )


def predict_missing(
    source: Source,
    parts: Parts,
    members: list[Member],
    *,
    batch_size: int,
) -> float:
    """Writes the missing parts; returns images/s."""
    sizes = {i: sum(file.groups) for i, file in enumerate(source.files)}
    names = [file.name for file in source.files]
    digests = {i: source.digest(i) for i, size in sizes.items() if size}
    todo = [i for i in digests if not parts.has(names[i], digests[i])]
    missing = sum(sizes[i] for i in todo)
    kept = source.num_images - missing
    logging.info(
        "%d images of %d x %d in %d files, %d a batch%s",
        source.num_images,
        source.height,
        source.width,
        len(source.files),
        batch_size,
        f"; {kept} were predicted before" if kept else "",
    )
    if not todo:
        return 0.0
    predict = ensemble.make_predict(
        members, batch_size=batch_size, num_views=FLAGS.tta
    )
    start = time.monotonic()
    with Progress(
        "predicting", total=source.num_images, initial=kept
    ) as progress:
        for i, (image_ids, made) in file_predictions.predict_files(
            source,
            todo,
            predict,
            batch_size=batch_size,
            on_images=progress.advance,
        ):
            parts.write(names[i], digests[i], image_ids, made)
    return missing / (time.monotonic() - start)


def make_output(path: str) -> pathlib.Path:
    """Returns the path of a file to write; creates its folder.

    Raises:
        UserError: The path is a folder.
    """
    output = pathlib.Path(path)
    if output.is_dir():
        raise UserError(
            f"{output} is a folder: expected the file to write, such as "
            f"{output / 'submission.csv'}"
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    return output


def run() -> None:
    """Runs the command; never returns."""
    command.run(
        main,
        ensemble_flags,
        predict_flags,
        views_flags,
        accelerator_flags,
        user_errors=(UserError,),
    )


if __name__ == "__main__":
    run()
