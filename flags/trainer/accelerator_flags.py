"""The flag of every command that computes."""

from absl import flags

flags.DEFINE_enum(
    "accelerator",
    "auto",
    ["auto", "cpu", "gpu", "tpu"],
    "auto uses a TPU if there is one, else the GPUs, else the CPU. If the "
    "machine has an accelerator that TensorFlow cannot use, auto is an error; "
    "with cpu the run uses the CPU.",
)
