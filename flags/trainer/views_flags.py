"""The flag of the commands that average views of an image."""

from absl import flags

flags.DEFINE_integer(
    "tta",
    1,
    "Test-time augmentation: number of views of each image, slightly shifted "
    "and scaled, whose probabilities are averaged. N views take N times as "
    "long. 1: only the unchanged image.",
    lower_bound=1,
    upper_bound=64,
)
