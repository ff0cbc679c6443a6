"""Flags of scripts/kaggle_kernel.py."""

from absl import flags

flags.DEFINE_list(
    "model",
    None,
    "Path of the model.keras of a run. Of several paths, separated by commas, "
    "the calibrated probabilities are averaged.",
    required=True,
)
flags.DEFINE_string(
    "output_dir",
    None,
    "Folder to write to. Files that an earlier call wrote there are replaced.",
    required=True,
)
flags.DEFINE_integer(
    "tta",
    1,
    "Test-time augmentation: number of views of each image, slightly shifted "
    "and scaled, whose probabilities are averaged. 1: only the unchanged "
    "image.",
    lower_bound=1,
    upper_bound=64,
)
flags.DEFINE_string(
    "user",
    "INSERT_USERNAME_HERE",
    "Your user name on Kaggle. With the default you have to write it into the "
    "two .json files yourself.",
)
flags.DEFINE_bool(
    "gpu", True, "Whether the kernel uses a GPU; it is faster with one."
)
