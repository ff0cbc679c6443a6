"""Flags of trainer/predict.py and demo/app.py, which average models."""

from absl import flags

flags.DEFINE_list(
    "model",
    None,
    "The model.keras in the --workdir of a run; of several, joined by "
    "commas, the calibrated probabilities are averaged.",
    required=True,
)
flags.DEFINE_integer(
    "tta",
    1,
    "Views of each image, slightly shifted and scaled, whose probabilities are "
    "averaged; takes that many times as long. 1: the image as it is.",
    lower_bound=1,
    upper_bound=64,
)
