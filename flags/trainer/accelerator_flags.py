"""The flag of every command that computes."""

from absl import flags

flags.DEFINE_enum(
    "accelerator",
    "auto",
    ["auto", "cpu", "gpu", "tpu"],
    "auto uses a TPU, else the GPUs, else the CPU. Where there is an "
    "accelerator that TensorFlow cannot use, auto is refused: cpu then uses "
    "the CPU.",
)
