"""Flags of scripts/pack.py."""

from absl import flags

flags.DEFINE_string(
    "output",
    "bengali-trainer.zip",
    "The zip to write. Put it in the top folder of your Drive, or upload it as "
    "a Kaggle dataset: notebooks/colab.ipynb finds it there by this name.",
)
