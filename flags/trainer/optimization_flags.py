"""Flags of trainer/main.py: how it is trained, epoch by epoch."""

from absl import flags

flags.DEFINE_integer("epochs", 20, "Epochs of the run.", lower_bound=1)
flags.DEFINE_integer(
    "global_batch_size",
    128,
    "Examples a step, over all replicas.",
    lower_bound=1,
)
flags.DEFINE_integer(
    "norm_group",
    0,
    "Consecutive examples that batch normalisation takes its statistics over, "
    "a multiple of --mix_group; dropout is then drawn for each example, from "
    "seed, step and index. The result does not depend on the number of "
    "devices or on --max_per_replica_batch. 0: all the examples that a device "
    "computes at a time, and it does.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "seed", 0, "Seed of weights, order and augmentation.", lower_bound=0
)
flags.DEFINE_enum(
    "optimizer",
    "muon",
    ["muon", "adamw"],
    "muon: orthogonalized updates for convolution kernels, AdamW for the rest.",
)
flags.DEFINE_float(
    "learning_rate",
    2e-3,
    "Peak of the learning rate: linear warm-up, then a cosine.",
    lower_bound=0,
)
flags.DEFINE_float(
    "warmup_epochs", 1.0, "Epochs of the warm-up.", lower_bound=0
)
flags.DEFINE_float(
    "weight_decay",
    0.02,
    "Decoupled weight decay (not on biases and norms).",
    lower_bound=0,
)
flags.DEFINE_integer(
    "early_stopping_epochs",
    0,
    "End the run when so many epochs have passed without a better score; 0: "
    "never.",
    lower_bound=0,
)
flags.DEFINE_float(
    "label_smoothing",
    0.05,
    "Probability spread evenly over all classes.",
    lower_bound=0,
    upper_bound=0.9,
)
flags.DEFINE_float(
    "class_balance",
    0.0,
    "Power of a class's count that its examples' loss is divided by; 1: every "
    "class counts as much as another.",
    lower_bound=0,
)
flags.DEFINE_float(
    "logit_adjustment",
    1.0,
    "Power of a class's frequency that the loss makes allowance for: with 1 "
    "the net learns to answer as if all classes were equally frequent, which "
    "is what macro recall asks for; 0: it learns the frequencies, too.",
    lower_bound=0,
)
flags.DEFINE_float(
    "focal_gamma",
    0.0,
    "Exponent of (1 - p) in the loss: easy examples count less; 0: all "
    "count the same.",
    lower_bound=0,
)
flags.DEFINE_float(
    "hardest_examples",
    1.0,
    "Part of each --mix_group of examples that counts, those of the greatest "
    "loss.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_float(
    "ema_decay",
    0.999,
    "Decay a step of the moving average of the weights, which is what is "
    "evaluated and kept.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_integer(
    "average_epochs",
    0,
    "Keep the mean of the moving averages at the end of this many last epochs, "
    "instead of the best epoch's; 0: keep the best epoch's.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "shuffle_window_mb",
    512,
    "MiB of records shuffled at a time; a set that fits is shuffled whole "
    "and stays in memory. Part of the run's identity.",
    lower_bound=1,
)
