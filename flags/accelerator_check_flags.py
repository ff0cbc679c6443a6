"""Flags of `python scripts/accelerator_check.py`."""

from absl import flags

flags.DEFINE_string(
    "output_dir",
    None,
    "A new folder, for accelerator.json, the runs and their logs; about 1 GB.",
    required=True,
)
flags.DEFINE_list(
    "presets",
    None,
    "Presets to measure, by the names of their files in flags/presets; by "
    "default those for the accelerator that is found. None: --presets=",
)
flags.DEFINE_integer(
    "num_images",
    4000,
    "Images that are drawn to measure the presets with.",
    lower_bound=200,
)
