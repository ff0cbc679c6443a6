"""The flag of the commands that average views of an image."""

from absl import flags

flags.DEFINE_integer(
    "tta",
    1,
    "Views of each image, slightly shifted and scaled, whose probabilities are "
    "averaged; takes that many times as long. 1: the image as it is.",
    lower_bound=1,
    upper_bound=64,
)
