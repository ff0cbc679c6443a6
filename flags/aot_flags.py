"""Flags of scripts/aot.py."""

from absl import flags

flags.DEFINE_string(
    "preset",
    None,
    "The preset to compile: the name of a file in flags/presets, without "
    ".flags.",
)
flags.DEFINE_enum(
    "target",
    None,
    ["v5e", "v6e", "t4", "l4", "a100"],
    "The device to compile for: one chip of a TPU v5e or v6e, a T4, an L4, or "
    "an A100 with 40 GB.",
)
flags.DEFINE_bool(
    "table",
    False,
    "Compile every preset for the devices that it is meant for, and write the "
    "table of docs/accelerators.md. Results of earlier calls are used again.",
)
