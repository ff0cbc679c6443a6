"""Predicts test images with a trained model and writes submission.csv.

    python trainer/predict.py --model=WORKDIR/model.keras --input_dir=DIR \\
        --output=submission.csv

Needs the parquet files and the model alone; the model's card says what the
builder did to the images it was trained on, and the same is done here.
"""

import pathlib
import time

from absl import flags, logging

import storage
from flags import command, predict_flags
from tfrecord_builder import parquet_reader
from trainer import inference, model_file, submission

FLAGS = flags.FLAGS


def main() -> None:
    """Checks the input whole, then predicts, then writes."""
    output = make_output(FLAGS.output)
    model, card = model_file.read(FLAGS.model)
    outputs = [entry["name"] for entry in card["outputs"]]
    size = (card["source_image"]["height"], card["source_image"]["width"])
    source = parquet_reader.open_source(
        FLAGS.input_dir, FLAGS.input_glob, guesses=(size,)
    )
    order = submission.read_order(source, outputs)
    batch_size = min(FLAGS.batch_size, source.num_images)
    logging.info(
        "%d images of %d x %d in %d files, %d a batch",
        source.num_images,
        *size,
        len(source.files),
        batch_size,
    )

    image = card["image"]
    classify = inference.make_classifier(
        model,
        batch_shape=(batch_size, image["height"], image["width"], 1),
    )
    start = time.monotonic()
    predictions = inference.predict_source(
        source,
        classify,
        outputs=outputs,
        resize_spec=card["resize"],
        batch_size=batch_size,
        block_bytes=FLAGS.block_mb << 20,
    )
    seconds = time.monotonic() - start
    rows = submission.write(output, predictions.rows(order))
    print(
        f"wrote {output}: {rows} rows for {len(predictions)} images, "
        f"{len(predictions) / seconds:.1f} images/s"
    )


def make_output(path: str) -> pathlib.Path:
    """Returns the path to write to, its folder made; a folder is refused."""
    output = pathlib.Path(path)
    if output.is_dir():
        raise storage.UserError(
            f"--output={output} is a folder: expected the csv file to write, "
            f"such as {output / 'submission.csv'}"
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    return output


if __name__ == "__main__":
    command.run(main, predict_flags, user_errors=(storage.UserError,))
