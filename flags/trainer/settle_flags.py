"""The flag of every command that reports whether a backup has settled."""

from absl import flags

flags.DEFINE_float(
    "backup_settle_minutes",
    15.0,
    "Minutes after which a backup is assumed to be fully uploaded to Drive.",
    lower_bound=0,
)
