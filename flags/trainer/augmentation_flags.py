"""Flags of trainer/main.py: augmentation."""

from absl import flags

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
