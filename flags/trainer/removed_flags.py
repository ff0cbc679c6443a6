"""Flags that only earlier versions of trainer/main.py used.

The flags.txt of an earlier run may contain them, so they are still accepted,
with the only value that this version can reproduce. No help text shows them.
"""

from absl import flags

VALUES = {"plateau_epochs": 0, "plateau_factor": 0.5}

for name, value in VALUES.items():
    flags.DEFINE_float(
        name,
        value,
        "No longer used; only its old default is accepted.",
        lower_bound=value,
        upper_bound=value,
    )
