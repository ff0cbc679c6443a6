"""Flags of earlier versions of trainer/main.py.

They are accepted with the one value that this version can repeat, since the
flags.txt of an earlier run has them, and shown by no help.
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
