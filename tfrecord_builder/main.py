"""Builds TFRecords from the competition's parquet files, once.

    python tfrecord_builder/main.py --input_dir=DIR --output_dir=RECORDS

This file is short: it reads the flags. What is done is in `run`.
"""

import dataclasses

from absl import flags

import storage
from flags import builder_flags, command
from tfrecord_builder import run, verify
from tfrecord_builder.plan import Recipe

FLAGS = flags.FLAGS


def main() -> int:
    """Builds or, with --verify, checks a dataset; returns the exit code."""
    if not FLAGS.output_dir:
        raise storage.UserError("--output_dir: missing; where do records go?")
    if FLAGS.verify:
        return verify.verify(FLAGS.output_dir)
    if not FLAGS.input_dir:
        raise storage.UserError(
            "--input_dir: missing; the folder with train_image_data_*.parquet "
            "and train.csv"
        )
    names = [field.name for field in dataclasses.fields(Recipe)]
    return run.run(
        FLAGS.input_dir,
        FLAGS.output_dir,
        Recipe(**{name: getattr(FLAGS, name) for name in names}),
        input_glob=FLAGS.input_glob,
        labels_csv=FLAGS.labels_csv,
        label_columns=FLAGS.label_columns,
        source_size=(FLAGS.source_height, FLAGS.source_width),
        num_workers=FLAGS.num_workers,
        overwrite=FLAGS.overwrite,
    )


if __name__ == "__main__":
    command.run(main, builder_flags, user_errors=(storage.UserError,))
