"""Flags of `python trainer/predict.py`."""

from absl import flags

flags.DEFINE_string(
    "input_dir",
    None,
    "Folder, .zip or gs://bucket/prefix of the parquet files to predict. "
    "If it also holds sample_submission.csv, the output has that file's rows "
    "in their order.",
    required=True,
)
flags.DEFINE_string(
    "output",
    "submission.csv",
    "The csv to write: row_id (image_id and output, joined by _) and target.",
)
flags.DEFINE_string(
    "input_glob",
    "test_image_data_*.parquet",
    "Names of the parquet files to read in --input_dir.",
)
flags.DEFINE_string(
    "probabilities",
    None,
    "A parquet file to write, too: image_id, and for each output the list of "
    "its classes' probabilities.",
)
flags.DEFINE_integer(
    "batch_size",
    128,
    "Images a batch. Changes speed and memory; probabilities in their last "
    "digits at most.",
    lower_bound=1,
    upper_bound=65_536,
)
