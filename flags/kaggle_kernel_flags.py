"""Flags of scripts/kaggle_kernel.py."""

from absl import flags

flags.DEFINE_list(
    "model",
    None,
    "The model.keras of a run; of several, joined by commas, the calibrated "
    "probabilities are averaged.",
    required=True,
)
flags.DEFINE_string(
    "output_dir",
    None,
    "Folder to write to. What an earlier call has written there is replaced.",
    required=True,
)
flags.DEFINE_integer(
    "tta",
    1,
    "Views of each image, slightly shifted and scaled, whose probabilities are "
    "averaged. 1: the image as it is.",
    lower_bound=1,
    upper_bound=64,
)
flags.DEFINE_string(
    "user",
    "INSERT_USERNAME_HERE",
    "Your name in Kaggle's addresses. The default stands where you have to "
    "write it into the two .json files.",
)
flags.DEFINE_bool(
    "gpu", True, "Whether the kernel asks for a GPU, which is faster."
)
