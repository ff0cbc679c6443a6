"""Flags of `python tfrecord_builder/main.py`."""

from absl import flags

flags.DEFINE_string(
    "input_dir",
    None,
    "Folder with the competition's files: the parquet files that match "
    "--input_glob, train.csv and class_map.csv. A local folder, "
    "gs://bucket/prefix, or the .zip file that Kaggle delivers.",
)
flags.DEFINE_string(
    "output_dir",
    None,
    "Folder or gs://bucket/prefix to write the records and dataset_info.json "
    "to.",
)
flags.DEFINE_string(
    "input_glob",
    "train_image_data_*.parquet",
    "Names of the parquet files to read in --input_dir.",
)
flags.DEFINE_string(
    "labels_csv",
    "train.csv",
    "Name of the csv file with the labels, in --input_dir.",
)
flags.DEFINE_list(
    "label_columns",
    None,
    "Columns of --labels_csv to use as labels, in this order. Default: the "
    "component types in class_map.csv. A column that is not in class_map.csv "
    "has the classes 0 to its highest label.",
)
flags.DEFINE_integer(
    "source_height",
    0,
    "Height in pixels of the images in the parquet files. 0: it follows from "
    "the number of pixel columns. For 32,332 columns (137 x 236) it is 137. It "
    "is --image_height if --image_height x --image_width is that number.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "source_width",
    0,
    "Width in pixels of the images in the parquet files. 0: it follows from "
    "the number of pixel columns: 236, or --image_width; see --source_height.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "image_height",
    0,
    "Height in pixels of the stored images. 0: the images keep their size.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "image_width",
    0,
    "Width in pixels of the stored images. 0: the images keep their size.",
    lower_bound=0,
)
flags.DEFINE_enum(
    "image_encoding",
    "raw",
    ["raw", "png"],
    "How images are stored. raw: fastest to read. png: a quarter of the size, "
    "but training reads it more slowly.",
)
flags.DEFINE_enum(
    "background",
    "auto",
    ["auto", "light", "dark"],
    "The background of the images: light (dark ink on paper) or dark (white "
    "ink on black). The model treats the other pixels as ink. The stored "
    "pixels are not changed. auto: the builder finds it out from a sample of "
    "the images.",
)
flags.DEFINE_integer(
    "num_folds", 5, "Number of folds to split the examples into.", lower_bound=1
)
flags.DEFINE_float(
    "unseen_graphemes",
    0.0,
    "Fraction of the distinct graphemes whose examples all go to a separate "
    "split, 'unseen'. That split measures how well a model predicts graphemes "
    "that it was never trained on.",
    lower_bound=0.0,
    upper_bound=0.9,
)
flags.DEFINE_integer(
    "shard_mb", 100, "Approximate size of a shard in MiB.", lower_bound=1
)
flags.DEFINE_integer(
    "num_workers",
    0,
    "Number of threads with --engine=local. 0: one for each core.",
    lower_bound=0,
)
flags.DEFINE_enum(
    "engine",
    "local",
    ["local", "beam"],
    "local: build on this machine. beam: build with Apache Beam, for datasets "
    "that are too large for one machine; it writes the same bytes. Beam needs "
    "the environment of requirements-beam.txt and folders that all of its "
    "workers can read and write.",
)
flags.DEFINE_string(
    "runner",
    "DirectRunner",
    "Beam's runner, with --engine=beam: DataflowRunner, FlinkRunner, "
    "SparkRunner or another. Give the runner's own options after a --.",
)
flags.DEFINE_integer(
    "seed",
    0,
    "Seed of the split into folds and of the order of the examples.",
    lower_bound=0,
    upper_bound=2**63 - 1,
)
flags.DEFINE_string(
    "spool_dir",
    None,
    "Folder on a local disk for temporary copies. They are needed if the input "
    "or the output is not on a local disk: a zip, gs://, or a mount such as "
    "Google Drive. Default: the system's temporary folder.",
)
flags.DEFINE_enum(
    "spool",
    "auto",
    ["auto", "always"],
    "auto: if the input is not on a local disk, copy its files there first; if "
    "the output is not, build on the local disk and copy the result. always: "
    "do both for any folder.",
)
flags.DEFINE_bool(
    "overwrite",
    False,
    "Build even if --output_dir holds a dataset or an unfinished build. The "
    "new dataset replaces the old one when it is complete.",
)
flags.DEFINE_bool(
    "verify",
    False,
    "Build nothing. Read every record in --output_dir and compare it with "
    "dataset_info.json. Needs no other flag.",
)
