"""Flags of trainer/evaluate.py."""

from absl import flags

flags.DEFINE_string(
    "model",
    None,
    "Path of the model.keras in the --workdir of trainer/main.py.",
    required=True,
)
flags.DEFINE_string(
    "data_dir",
    None,
    "Folder with records of tfrecord_builder/main.py that have the model's "
    "outputs and classes.",
    required=True,
)
flags.DEFINE_string(
    "split",
    "fold0",
    "The split to evaluate on: fold0, fold1, …; unseen; or all, which is every "
    "shard of the dataset.",
)
flags.DEFINE_string(
    "output", None, "JSON file to write the scores to.", required=True
)
flags.DEFINE_integer(
    "batch_size", 256, "Number of images in a batch.", lower_bound=1
)
