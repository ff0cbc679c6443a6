"""Flags of `python sample_data/main.py`."""

from absl import flags

flags.DEFINE_string(
    "output_dir",
    None,
    "Local folder for the dataset; made where it is not there. Run again with "
    "the same flags, the command goes on where it was stopped.",
    required=True,
)
flags.DEFINE_integer(
    "num_images",
    None,
    "Training images to draw. Every class of every output is there from "
    "4,000 on; the competition has 200,840.",
    lower_bound=1,
    upper_bound=200_840,
    required=True,
)
flags.DEFINE_string(
    "graphemes",
    "train",
    "Which graphemes to draw. train: the competition's 1,295, as often as "
    "they were written. The others draw each root x vowel x consonant that "
    "can be written equally often. all: all of them; rare: those with a "
    "class of few images; unseen-of:RECORDS: those that the folds of a built "
    "dataset lack.",
)
flags.DEFINE_integer(
    "seed",
    0,
    "Same seed and flags, same bytes, whatever the number of workers.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "num_train_files",
    4,
    "Files train_image_data_0.parquet, … that the training images are split "
    "over.",
    lower_bound=1,
    upper_bound=1000,
)
flags.DEFINE_string(
    "font_dir",
    None,
    "Folder of further .ttf and .otf fonts with Bengali letters, used beside "
    "the five weights of Hind Siliguri.",
)
flags.DEFINE_integer(
    "num_workers",
    0,
    "Processes that draw; 0: one for each core.",
    lower_bound=0,
    upper_bound=1024,
)
