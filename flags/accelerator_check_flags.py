"""Flags of `python scripts/accelerator_check.py`."""

from absl import flags

flags.DEFINE_string(
    "output_dir",
    None,
    "New folder for accelerator.json, the runs and their logs. They need about "
    "1 GB.",
    required=True,
)
flags.DEFINE_list(
    "presets",
    None,
    "Presets to measure: names of files in flags/presets, without .flags. "
    "Default: the presets for the accelerator of this machine. --presets= "
    "(empty) measures none.",
)
flags.DEFINE_integer(
    "num_images",
    4000,
    "Number of images to draw; the presets are measured on them.",
    lower_bound=200,
)
