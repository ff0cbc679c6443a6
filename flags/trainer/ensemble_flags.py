"""The flag of trainer/predict.py and demo/app.py, which average models."""

from absl import flags

flags.DEFINE_list(
    "model",
    None,
    "Path of the model.keras in the --workdir of a run. Of several paths, "
    "separated by commas, the calibrated probabilities are averaged.",
    required=True,
)
