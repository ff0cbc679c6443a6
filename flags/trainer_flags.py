"""Flags of trainer/main.py.

FREE names the flags that may change between the legs of one run: they do not
change its result. A changed value of any other flag is another run.
"""

from absl import flags

FREE = frozenset(
    {
        "workdir",
        "backup_dir",
        "data_dir",
        "cache_dir",
        "accelerator",
        "virtual_devices",
        "precision",
        "xla",
        "max_per_replica_batch",
        "steps_per_loop",
        "num_parallel_calls",
        "profile_steps",
        "backup_every_seconds",
        "backup_every_steps",
        "backup_settle_minutes",
        "max_minutes",
        # These decide about steps that change nothing.
        "on_nan",
        "max_loss",
        "restart",
        "dry_run",
        "verbosity",
    }
)

# For --helpshort: the first flag of each group, in the order of this file.
GROUPS = {
    "data_dir": "Where things are",
    "validation_fold": "What is trained",
    "epochs": "How it is trained",
    "rotation": "Augmentation",
    "accelerator": "What it runs on",
    "backup_every_seconds": "Backups and stopping",
}

# Where things are.
flags.DEFINE_string(
    "data_dir",
    None,
    "Records that tfrecord_builder/main.py wrote (its --output_dir).",
    required=True,
)
flags.DEFINE_string(
    "extra_data_dir",
    None,
    "Records of a second dataset to train on, such as sample_data's drawn "
    "graphemes; all of its splits, never judged.",
)
flags.DEFINE_float(
    "extra_fraction",
    0.2,
    "Part of every batch that comes from --extra_data_dir. An epoch is still "
    "one pass over --data_dir.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_string(
    "workdir",
    None,
    "Folder on this machine's own disk for what the run leaves: model.keras, "
    "metrics.csv, summary.json, TensorBoard events. It may be lost: the "
    "backup makes all of it again.",
    required=True,
)
flags.DEFINE_string(
    "backup_dir",
    None,
    "Folder that outlives this machine (Drive: /content/drive/MyDrive/...). "
    "Run the same command again after a reset and it goes on from there. "
    "Default: WORKDIR/backup, which dies with the machine.",
)
flags.DEFINE_string(
    "cache_dir",
    None,
    "Folder on this machine's own disk: the records are copied there once, in "
    "the background, and each shard is checked by its sha256. For records on "
    "Drive or gs://. Without room for all of them they are read where they "
    "lie.",
)

# What is trained.
flags.DEFINE_integer(
    "validation_fold",
    0,
    "Fold held out to judge each epoch; -1 trains on all folds and keeps the "
    "last weights.",
    lower_bound=-1,
)
flags.DEFINE_string(
    "backbone",
    "small",
    "The net: small and resnet9 (for a CPU), efficientnet_v2_b0, "
    "efficientnet_v2_s, resnet18_v2, resnet50_v2, densenet121; tiny, to try "
    "things out.",
)
flags.DEFINE_string(
    "initial_weights",
    None,
    "A model.keras of this trainer whose weights to start from, as far as "
    "they fit. Needed at the first start only.",
)
flags.DEFINE_bool(
    "pretrained",
    False,
    "Start from ImageNet's weights, downloaded by keras-cv at the first "
    "start: efficientnet_v2_b0, efficientnet_v2_s, resnet50_v2, densenet121.",
)
flags.DEFINE_integer(
    "input_height",
    0,
    "Rows the backbone sees; the model resizes the stored images itself. "
    "0: the stored size.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "input_width",
    0,
    "Columns the backbone sees. 0: the stored size.",
    lower_bound=0,
)
flags.DEFINE_bool(
    "crop",
    True,
    "Crop each image to its ink (dark on light paper) before it is resized; "
    "part of the model. --nocrop squeezes the whole image into the size.",
)
flags.DEFINE_float(
    "dropout",
    0.2,
    "Share of the pooled features dropped in training.",
    lower_bound=0,
    upper_bound=0.95,
)
flags.DEFINE_enum(
    "pool",
    "average",
    ["average", "gem", "attention"],
    "How the feature map is pooled: its mean, a generalised mean with learned "
    "exponents, or a mean weighted by a learned map.",
)
flags.DEFINE_bool(
    "pool_per_output",
    False,
    "Give each output exponents or a map of its own.",
)
flags.DEFINE_float(
    "grapheme_head",
    0.0,
    "Weight in the loss, beside --output_weights, of a head with a class for "
    "each combination of labels in the folds; 0: no such head.",
    lower_bound=0,
)
flags.DEFINE_float(
    "grapheme_blend",
    0.5,
    "Weight of that head's word in each output's log-probabilities.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_enum(
    "grapheme_decoding",
    "sum",
    ["sum", "mean"],
    "What makes a class's probability out of its graphemes': mean favours "
    "classes of few graphemes.",
)
flags.DEFINE_list(
    "output_weights",
    ["grapheme_root:2"],
    "Weights of the outputs in the score and the loss, name:weight,...; an "
    "output that is not named weighs 1.",
)

# How it is trained.
flags.DEFINE_integer("epochs", 20, "Epochs of the run.", lower_bound=1)
flags.DEFINE_integer(
    "global_batch_size",
    128,
    "Examples a step, over all replicas.",
    lower_bound=1,
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
    "plateau_epochs",
    0,
    "Lower the learning rate each time so many epochs have passed without a "
    "better validation score (without a validation fold: a lower loss); 0: "
    "never.",
    lower_bound=0,
)
flags.DEFINE_float(
    "plateau_factor",
    0.5,
    "What the learning rate is then multiplied by.",
    lower_bound=0,
    upper_bound=1,
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
    "class counts alike.",
    lower_bound=0,
)
flags.DEFINE_float(
    "logit_adjustment",
    1.0,
    "Power of a class's frequency that the loss makes allowance for: with 1 "
    "the net learns to judge as if all classes were alike frequent, which is "
    "what macro recall asks for; 0: it learns the frequencies, too.",
    lower_bound=0,
)
flags.DEFINE_float(
    "focal_gamma",
    0.0,
    "Exponent of (1 - p) in the loss: easy examples count less; 0: alike.",
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
    "shuffle_window_mb",
    512,
    "MiB of records shuffled at a time; a set that fits is shuffled whole "
    "and stays in memory. Part of the run's identity.",
    lower_bound=1,
)

# Augmentation.
flags.DEFINE_float("rotation", 8.0, "Largest rotation, degrees.", lower_bound=0)
flags.DEFINE_float(
    "scale",
    0.12,
    "Largest relative change of each side's length.",
    lower_bound=0,
    upper_bound=0.9,
)
flags.DEFINE_float(
    "shift",
    0.06,
    "Largest shift, as a fraction of each side.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_float(
    "shear", 0.15, "Largest horizontal shear, as a slope.", lower_bound=0
)
flags.DEFINE_float(
    "elastic",
    0.0,
    "Root mean square of a smooth displacement, as a fraction of each side: "
    "0.02 is visible, 0.05 strong.",
    lower_bound=0,
    upper_bound=0.5,
)
flags.DEFINE_float(
    "thickness",
    0.0,
    "Largest part of a dilation or an erosion of the strokes by 3 x 3 of the "
    "backbone's pixels.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_float(
    "erasing",
    0.0,
    "Probability that a box of up to a quarter of an example is wiped out.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_float(
    "gridmask",
    0.0,
    "Probability that a grid of squares, a quarter of an example, is wiped "
    "out.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_float(
    "cutmix",
    0.5,
    "Probability that an example gets a box of another one. An example is "
    "mixed in one way at most: --cutmix, --mixup and --fmix sum to 1 or less.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_float(
    "mixup",
    0.0,
    "Probability that an example is blended with another one.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_float(
    "fmix",
    0.0,
    "Probability that an example gets blobs of another one.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_float(
    "cooldown_epochs",
    0.0,
    "Epochs at the end of the run without any of these three.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "mix_group",
    8,
    "Consecutive examples that mixing partners are taken from.",
    lower_bound=2,
)

# What it runs on.
flags.DEFINE_enum(
    "accelerator",
    "auto",
    ["auto", "cpu", "gpu", "tpu"],
    "auto takes a TPU, else the GPUs, else the CPU.",
)
flags.DEFINE_integer(
    "virtual_devices",
    0,
    "Cut the CPU into this many devices, to try a distributed run.",
    lower_bound=0,
)
flags.DEFINE_enum(
    "precision",
    "auto",
    ["auto", "float32", "mixed_float16", "mixed_bfloat16"],
    "auto: bfloat16 on TPUs and new GPUs, float16 on older ones, float32 on "
    "a CPU.",
)
flags.DEFINE_integer(
    "max_per_replica_batch",
    0,
    "Examples that a replica computes at a time; more are computed in parts, "
    "one after another, and their gradients summed. Batch normalisation then "
    "sees the parts. 0: no limit.",
    lower_bound=0,
)
flags.DEFINE_bool("xla", False, "Compile the replica step with XLA.")
flags.DEFINE_integer(
    "steps_per_loop",
    0,
    "Steps between two looks of the host at the device; 0: about a second's.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "num_parallel_calls",
    0,
    "Threads of the input pipeline's parallel parts; 0: as many as help.",
    lower_bound=0,
)
flags.DEFINE_list(
    "profile_steps",
    [],
    "First step and step to end before, such as 10,20: profiles them into "
    "WORKDIR/profile for TensorBoard's profile page.",
)

# Backups and stopping.
flags.DEFINE_integer(
    "backup_every_seconds",
    300,
    "Seconds between two backups; 0: not by time.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "backup_every_steps",
    0,
    "Steps between two backups; 0: not by steps.",
    lower_bound=0,
)
flags.DEFINE_float(
    "backup_settle_minutes",
    15.0,
    "Age at which a backup has surely arrived on Drive.",
    lower_bound=0,
)
flags.DEFINE_float(
    "max_minutes",
    0.0,
    "Stop in good order this many minutes after the start, with a backup; 0: "
    "no limit.",
    lower_bound=0,
)
flags.DEFINE_float(
    "max_loss",
    1000.0,
    "A step with a greater loss is treated as one that is not finite; 0: no "
    "limit.",
    lower_bound=0,
)
flags.DEFINE_enum(
    "on_nan",
    "stop",
    ["stop", "rollback"],
    "What to do at a step whose loss or gradients are not finite: stop before "
    "it changes anything, or go back to the last backup and pass over that "
    "step's batch.",
)
flags.DEFINE_bool(
    "restart",
    False,
    "Start over, though the backup folder holds another run or this one. Its "
    "last backup is kept until the new run has its own. Give it once: the "
    "same command with it starts over again.",
)
flags.DEFINE_bool(
    "dry_run",
    False,
    "Tell devices, data, steps, parameters, memory and time, after a few "
    "steps that are thrown away, and exit. Nothing is written.",
)
