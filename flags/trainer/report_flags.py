"""Flags of trainer/report.py."""

from absl import flags

flags.DEFINE_string(
    "workdir",
    None,
    "Folder that a run of trainer/main.py left; report.html is written there.",
    required=True,
)
flags.DEFINE_string(
    "data_dir",
    None,
    "The run's records, to show what its model gets wrong. Default: those of "
    "the run's flags.txt.",
)
flags.DEFINE_integer(
    "batch_size", 256, "Images the model is given at a time.", lower_bound=1
)
