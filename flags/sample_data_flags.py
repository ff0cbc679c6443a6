"""Flags of `python sample_data/main.py`."""

from absl import flags

flags.DEFINE_string(
    "output_dir",
    None,
    "Local folder for the dataset; it is created if it does not exist. If the "
    "command was stopped, run it again with the same flags: it continues.",
    required=True,
)
flags.DEFINE_integer(
    "num_images",
    None,
    "Number of training images to draw. From 4,000 images on, every class of "
    "every output occurs. The competition has 200,840 images.",
    lower_bound=1,
    upper_bound=200_840,
    required=True,
)
flags.DEFINE_string(
    "graphemes",
    "train",
    "Which graphemes to draw. train: the competition's 1,295 graphemes, as "
    "often as they were written. all: every root x vowel x consonant that can "
    "be written. rare: those of them that have a class with few images. "
    "unseen-of:RECORDS: those of them that are not in the folds of the dataset "
    "in the folder RECORDS. all, rare and unseen-of draw each grapheme equally "
    "often.",
)
flags.DEFINE_integer(
    "seed",
    0,
    "Seed of the drawing. The same seed and flags give the same bytes, with "
    "any number of workers.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "num_train_files",
    4,
    "Number of files train_image_data_0.parquet, … to split the training "
    "images over.",
    lower_bound=1,
    upper_bound=1000,
)
flags.DEFINE_string(
    "font_dir",
    None,
    "Folder with more fonts (.ttf, .otf) that have Bengali letters. They are "
    "used in addition to the five weights of Hind Siliguri.",
)
flags.DEFINE_integer(
    "num_workers",
    0,
    "Number of processes that draw. 0: one for each core.",
    lower_bound=0,
    upper_bound=1024,
)
