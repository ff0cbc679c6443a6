"""Flags of trainer/main.py: training, epoch by epoch."""

from absl import flags

flags.DEFINE_integer(
    "epochs", 20, "Number of epochs of the run.", lower_bound=1
)
flags.DEFINE_integer(
    "global_batch_size",
    128,
    "Number of examples in a step, over all replicas.",
    lower_bound=1,
)
flags.DEFINE_integer(
    "norm_group",
    0,
    "Batch normalisation takes its statistics over groups of this many "
    "consecutive examples, a multiple of --mix_group. Dropout is then drawn "
    "for each example from seed, step and index. So the result does not depend "
    "on the number of devices or on --max_per_replica_batch. 0: the statistics "
    "are over all the examples that a device computes at a time, and the "
    "result depends on both.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "seed",
    0,
    "Seed of the initial weights, the order of the examples and the "
    "augmentation.",
    lower_bound=0,
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
    "Highest learning rate. It rises linearly in the warm-up, then falls as a "
    "cosine.",
    lower_bound=0,
)
flags.DEFINE_float(
    "warmup_epochs",
    1.0,
    "Number of epochs of the warm-up of the learning rate.",
    lower_bound=0,
)
flags.DEFINE_float(
    "weight_decay",
    0.02,
    "Decoupled weight decay. Biases and the parameters of normalisation layers "
    "do not decay.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "early_stopping_epochs",
    0,
    "End the run after this many epochs without a better score. 0: never.",
    lower_bound=0,
)
flags.DEFINE_float(
    "label_smoothing",
    0.05,
    "Part of the target probability that is spread evenly over all classes.",
    lower_bound=0,
    upper_bound=0.9,
)
flags.DEFINE_float(
    "class_balance",
    0.0,
    "The loss of an example is divided by the number of examples of its class, "
    "to this power. 0: every example has the same weight. 1: every class has "
    "the same weight.",
    lower_bound=0,
)
flags.DEFINE_float(
    "logit_adjustment",
    1.0,
    "Logit adjustment: the log of each class's frequency, times this value, is "
    "added to the logits in the loss. With 1 the net learns to predict as if "
    "all classes were equally frequent, which suits macro recall. 0: none; the "
    "net learns the frequencies, too.",
    lower_bound=0,
)
flags.DEFINE_float(
    "focal_gamma",
    0.0,
    "Exponent of (1 - p) in the focal loss, which gives easy examples less "
    "weight. 0: all examples have the same weight.",
    lower_bound=0,
)
flags.DEFINE_float(
    "hardest_examples",
    1.0,
    "Fraction of each --mix_group of examples that the loss counts: those with "
    "the greatest loss. 1: all.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_float(
    "ema_decay",
    0.999,
    "Decay per step of the exponential moving average of the weights. The "
    "averaged weights are evaluated and saved in the model.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_integer(
    "average_epochs",
    0,
    "The model gets the mean, over this number of last epochs, of the averaged "
    "weights (--ema_decay) at the end of each epoch. 0: it gets the averaged "
    "weights of the best epoch.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "shuffle_window_mb",
    512,
    "Size in MiB of the windows in which records are shuffled. If the dataset "
    "fits into one window, all of it is shuffled together and stays in memory. "
    "A run cannot continue with another value.",
    lower_bound=1,
)
