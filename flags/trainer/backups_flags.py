"""Flags of trainer/backups.py."""

from absl import flags

flags.DEFINE_string(
    "backup_dir",
    None,
    "The --backup_dir of a run of trainer/main.py. The command writes nothing "
    "to it.",
    required=True,
)
flags.DEFINE_bool(
    "verify",
    False,
    "Read every byte of every backup, and check it against its digest.",
)
