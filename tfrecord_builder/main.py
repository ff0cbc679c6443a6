"""Builds TFRecords from the competition's parquet files, once.

    python tfrecord_builder/main.py --input_dir=DIR --output_dir=RECORDS
    python tfrecord_builder/main.py --input_dir=DIR --output_dir=RECORDS \\
        --engine=beam --runner=DirectRunner -- --direct_num_workers=2

This file only reads the flags; run.py does the work.
"""

from absl import flags

from console import command
from flags import builder_flags

if __name__ == "__main__":
    # Parses the flags: --help and mistakes do not wait for the imports.
    command.begin(builder_flags, importing="pyarrow", takes_rest=True)

from storage import UserError
from tfrecord_builder import run as build
from tfrecord_builder import verify
from tfrecord_builder.planning.plan import BuildRecipe

FLAGS = flags.FLAGS


def main(rest: list[str]) -> None:
    """Builds or, with --verify, checks a dataset."""
    beam_options = None
    if FLAGS.engine == "beam":
        beam_options = [f"--runner={FLAGS.runner}", *rest]
    elif rest:
        raise UserError(
            f"{rest[0]}: options after -- are Beam's; add --engine=beam"
        )
    if not FLAGS.output_dir:
        raise UserError("--output_dir: missing; the folder for the records")
    if FLAGS.verify:
        verify.verify(FLAGS.output_dir)
        return
    if not FLAGS.input_dir:
        raise UserError(
            "--input_dir: missing; the folder with train_image_data_*.parquet "
            "and train.csv"
        )
    info = command.with_flags(
        build.run,
        recipe=command.with_flags(BuildRecipe),
        beam_options=beam_options,
    )
    build.print_summary(info, FLAGS.output_dir)


def run() -> None:
    """Runs the command; never returns."""
    command.run(
        main,
        builder_flags,
        user_errors=(UserError,),
        takes_rest=True,
    )


if __name__ == "__main__":
    run()
