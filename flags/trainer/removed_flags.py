"""Flags that only earlier versions of trainer/main.py used.

The flags.txt of an earlier run may contain them, so their old default is still
accepted. No help text shows them. A run with a grapheme head continues with the
same weights, but its scores are those of the present decoding.
"""

from absl import flags

VALUES = {
    "grapheme_blend": 0.5,
    "grapheme_decoding": "sum",
    "plateau_epochs": 0,
    "plateau_factor": 0.5,
}
_HELP = "No longer used; only its old default is accepted."

for name, value in VALUES.items():
    if isinstance(value, str):
        flags.DEFINE_enum(name, value, [value], _HELP)
    else:
        flags.DEFINE_float(
            name, value, _HELP, lower_bound=value, upper_bound=value
        )
