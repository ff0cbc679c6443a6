"""Flags of trainer/main.py: where things are."""

from absl import flags

flags.DEFINE_string(
    "data_dir",
    None,
    "Records that tfrecord_builder/main.py wrote (its --output_dir).",
    required=True,
)
flags.DEFINE_string(
    "extra_data_dir",
    None,
    "Records of a second dataset to train on, such as sample_data's drawn "
    "graphemes; all of its splits, never evaluated.",
)
flags.DEFINE_float(
    "extra_fraction",
    0.2,
    "Part of every batch that comes from --extra_data_dir. An epoch is still "
    "one pass over --data_dir.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_string(
    "workdir",
    None,
    "Folder on this machine's own disk for what the run leaves: model.keras, "
    "metrics.csv, summary.json, TensorBoard events. It may be lost: the "
    "backup makes all of it again.",
    required=True,
)
flags.DEFINE_string(
    "backup_dir",
    None,
    "Folder that outlives this machine (Drive: /content/drive/MyDrive/...). "
    "Run the same command again after a reset and it goes on from there. "
    "Default: WORKDIR/backup, which dies with the machine.",
)
flags.DEFINE_string(
    "cache_dir",
    None,
    "Folder on this machine's own disk: the records are copied there once, in "
    "the background, and each shard is checked by its sha256. For records on "
    "Drive or gs://. Without room for all of them they are read where they "
    "lie.",
)
