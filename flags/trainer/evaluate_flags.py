"""Flags of trainer/evaluate.py."""

from absl import flags

flags.DEFINE_string(
    "model",
    None,
    "The model.keras in the --workdir of trainer/main.py.",
    required=True,
)
flags.DEFINE_string(
    "data_dir",
    None,
    "Records that tfrecord_builder/main.py wrote, with the model's outputs "
    "and classes.",
    required=True,
)
flags.DEFINE_string(
    "split",
    "fold0",
    "fold0, fold1, ...; unseen; or all: every shard of the set.",
)
flags.DEFINE_string(
    "output", None, "JSON file to write the scores to.", required=True
)
flags.DEFINE_integer(
    "batch_size", 256, "Images the model is given at a time.", lower_bound=1
)
