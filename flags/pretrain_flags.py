"""Flags of scripts/pretrain.py."""

from absl import flags

flags.DEFINE_string(
    "output_dir", None, "Folder for images, records and run.", required=True
)
flags.DEFINE_integer("num_images", 300_000, "Images to draw.", lower_bound=1000)
flags.DEFINE_integer("epochs", 8, "Epochs to train for.", lower_bound=1)
flags.DEFINE_integer(
    "seed", 5, "Decides what is drawn, folds and training.", lower_bound=0
)
flags.DEFINE_string(
    "weights_dir",
    None,
    "Folder for the weights and for the note of how they were made. Default: "
    "where the trainer looks for them.",
)
