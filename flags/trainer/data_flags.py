"""Flags of trainer/main.py: folders and files."""

from absl import flags

flags.DEFINE_string(
    "data_dir",
    None,
    "Folder with the records: the --output_dir of tfrecord_builder/main.py.",
    required=True,
)
flags.DEFINE_string(
    "extra_data_dir",
    None,
    "Folder with the records of a second dataset to train on, such as "
    "graphemes drawn by sample_data/main.py. All of its splits are used for "
    "training, none for evaluation.",
)
flags.DEFINE_float(
    "extra_fraction",
    0.2,
    "Fraction of every batch that comes from --extra_data_dir. One epoch is "
    "still one pass over --data_dir.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_string(
    "workdir",
    None,
    "Folder on a local disk for the results: model.keras, metrics.csv, "
    "summary.json, TensorBoard events. It may be lost: all of it can be made "
    "again from the backup.",
    required=True,
)
flags.DEFINE_string(
    "backup_dir",
    None,
    "Folder for backups, on storage that survives the loss of this machine "
    "(Drive: /content/drive/MyDrive/...). After a reset run the same command "
    "again: it resumes from the last backup. Default: WORKDIR/backup, which is "
    "lost with the machine.",
)
flags.DEFINE_string(
    "cache_dir",
    None,
    "Folder on a local disk for a copy of the records, for records on Drive or "
    "gs://. They are copied once, in the background, and the sha256 of each "
    "shard is checked. If the disk is too small for all of them, the records "
    "are read from --data_dir.",
)
