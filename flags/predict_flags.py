"""Flags of `python trainer/predict.py`."""

from absl import flags

flags.DEFINE_string(
    "model",
    None,
    "The model.keras that a run left in its --workdir.",
    required=True,
)
flags.DEFINE_string(
    "input_dir",
    None,
    "Folder, .zip or gs://bucket/prefix of the parquet files to predict. "
    "Where sample_submission.csv lies beside them, its rows and their order "
    "are those of the output.",
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
flags.DEFINE_integer(
    "batch_size",
    256,
    "Images a batch. Changes speed and memory, not the predictions.",
    lower_bound=1,
    upper_bound=65_536,
)
flags.DEFINE_integer(
    "block_mb",
    1640,
    "MiB of pixels read at a time; two such blocks are held. A row group that "
    "is larger (the competition's have 1.6 GB) is decoded anew for each block.",
    lower_bound=1,
)
