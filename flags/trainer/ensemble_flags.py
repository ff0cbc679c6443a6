"""The flag of trainer/predict.py and demo/app.py, which average models."""

from absl import flags

flags.DEFINE_list(
    "model",
    None,
    "The model.keras in the --workdir of a run; of several, joined by "
    "commas, the calibrated probabilities are averaged.",
    required=True,
)
