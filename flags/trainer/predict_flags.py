"""Flags of `python trainer/predict.py`."""

from absl import flags

flags.DEFINE_string(
    "input_dir",
    None,
    "Folder, .zip or gs://bucket/prefix with the parquet files to predict. If "
    "it also holds sample_submission.csv, the output has the rows of that file "
    "in the same order.",
    required=True,
)
flags.DEFINE_string(
    "output",
    "submission.csv",
    "The csv file to write, with the columns row_id (image_id and output, "
    "joined by _) and target.",
)
flags.DEFINE_string(
    "input_glob",
    "test_image_data_*.parquet",
    "Names of the parquet files to read in --input_dir.",
)
flags.DEFINE_string(
    "probabilities",
    None,
    "A parquet file to write in addition: image_id, and for each output the "
    "list of the probabilities of its classes.",
)
flags.DEFINE_integer(
    "batch_size",
    128,
    "Number of images in a batch. It changes speed and memory, and the "
    "probabilities only in their last digits.",
    lower_bound=1,
    upper_bound=65_536,
)
