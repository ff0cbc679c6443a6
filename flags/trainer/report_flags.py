"""Flags of trainer/report.py."""

from absl import flags

flags.DEFINE_string(
    "workdir",
    None,
    "The --workdir of a run of trainer/main.py. The command writes report.html "
    "to it.",
    required=True,
)
flags.DEFINE_string(
    "data_dir",
    None,
    "Folder with the run's records; the report shows which of them the model "
    "predicts wrongly. Default: the --data_dir in the run's flags.txt.",
)
flags.DEFINE_integer(
    "batch_size", 256, "Number of images in a batch.", lower_bound=1
)
