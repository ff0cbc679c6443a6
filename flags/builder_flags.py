"""Flags of `python tfrecord_builder/main.py`."""

from absl import flags

flags.DEFINE_string(
    "input_dir",
    None,
    "The competition's files: the parquet files that --input_glob names, "
    "train.csv and class_map.csv. A folder, gs://bucket/prefix, or Kaggle's "
    ".zip as it is.",
)
flags.DEFINE_string(
    "output_dir",
    None,
    "Folder or gs://bucket/prefix that records and dataset_info.json go to.",
)
flags.DEFINE_string(
    "input_glob",
    "train_image_data_*.parquet",
    "Names of the parquet files to read in --input_dir.",
)
flags.DEFINE_string("labels_csv", "train.csv", "The file of the labels.")
flags.DEFINE_list(
    "label_columns",
    None,
    "Label columns of the csv, in this order. Default: the component types of "
    "class_map.csv. A column that class_map.csv does not name has the classes "
    "0 to its highest label.",
)
flags.DEFINE_integer(
    "source_height",
    0,
    "Height in pixels of the parquet files' images. 0: 137 for 32,332 pixel "
    "columns, --image_height where that size has as many pixels as columns.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "source_width", 0, "Width in pixels; see --source_height.", lower_bound=0
)
flags.DEFINE_integer(
    "image_height",
    0,
    "Height in pixels of the stored images. 0: the source's, untouched.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "image_width", 0, "Width in pixels of the stored images.", lower_bound=0
)
flags.DEFINE_enum(
    "image_encoding",
    "raw",
    ["raw", "png"],
    "raw: fastest to read. png: a quarter of the size, slower to train from.",
)
flags.DEFINE_enum(
    "background",
    "auto",
    ["auto", "light", "dark"],
    "The side of the images' background: light (dark ink on paper) or dark "
    "(white on black). The model takes the other side for ink. Pixels are "
    "stored as they are. auto: found out from a sample of the images.",
)
flags.DEFINE_integer("num_folds", 5, "Folds to deal.", lower_bound=1)
flags.DEFINE_float(
    "unseen_graphemes",
    0.0,
    "Fraction of the distinct graphemes to hold out whole, in a split of its "
    "own: they measure what the model makes of graphemes it never saw.",
    lower_bound=0.0,
    upper_bound=0.9,
)
flags.DEFINE_integer(
    "shard_mb", 100, "Size of a shard, about, in MiB.", lower_bound=1
)
flags.DEFINE_integer(
    "num_workers",
    0,
    "Threads to work with, by --engine=local. 0: one a core.",
    lower_bound=0,
)
flags.DEFINE_enum(
    "engine",
    "local",
    ["local", "beam"],
    "local: this machine. beam: Apache Beam, for sets that outgrow one; it "
    "writes the same bytes. It needs the environment of requirements-beam.txt, "
    "and folders that all of its workers see.",
)
flags.DEFINE_string(
    "runner",
    "DirectRunner",
    "With --engine=beam: DataflowRunner, FlinkRunner, SparkRunner or another. "
    "Its own options follow after a --.",
)
flags.DEFINE_integer(
    "seed", 0, "Decides folds and order.", lower_bound=0, upper_bound=2**63 - 1
)
flags.DEFINE_string(
    "spool_dir",
    None,
    "Folder on this machine's own disk for work on input and output that is "
    "not: a zip, gs://, or a mount such as Google Drive. Default: the "
    "system's temporary folder.",
)
flags.DEFINE_enum(
    "spool",
    "auto",
    ["auto", "always"],
    "auto: copy input files to local disk first, and build there and copy, "
    "where a folder is not on local disk. always: do so for any folder.",
)
flags.DEFINE_bool(
    "overwrite",
    False,
    "Build even if --output_dir holds a dataset, or an unfinished build; once "
    "this one is built it replaces the other.",
)
flags.DEFINE_bool(
    "verify",
    False,
    "Build nothing; re-read every record in --output_dir against "
    "dataset_info.json. Needs no other flag.",
)
