"""Flags of trainer/main.py: augmentation."""

from absl import flags

flags.DEFINE_float(
    "rotation", 8.0, "Largest rotation, in degrees.", lower_bound=0
)
flags.DEFINE_float(
    "scale",
    0.12,
    "Largest relative change of the height and of the width.",
    lower_bound=0,
    upper_bound=0.9,
)
flags.DEFINE_float(
    "shift",
    0.06,
    "Largest shift, as a fraction of the height and of the width.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_float(
    "shear", 0.15, "Largest horizontal shear, as a slope.", lower_bound=0
)
flags.DEFINE_float(
    "elastic",
    0.0,
    "Strength of an elastic distortion: the root mean square of the "
    "displacement, as a fraction of the height and of the width. 0.02 is "
    "visible, 0.05 is strong. 0: none.",
    lower_bound=0,
    upper_bound=0.5,
)
flags.DEFINE_float(
    "thickness",
    0.0,
    "Strength of thicker or thinner strokes: the largest weight with which an "
    "example is blended with its dilation or erosion by 3 x 3 pixels of the "
    "backbone's input. 0: none.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_float(
    "erasing",
    0.0,
    "Probability that one box of an example is erased. The box covers at most "
    "a quarter of the example.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_float(
    "gridmask",
    0.0,
    "Probability that a grid of squares is erased in an example. The squares "
    "cover a quarter of the example.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_float(
    "cutmix",
    0.5,
    "Probability that a box of an example is replaced by the same box of "
    "another example. An example is mixed in at most one way: the sum of "
    "--cutmix, --mixup and --fmix must not exceed 1.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_float(
    "mixup",
    0.0,
    "Probability that an example is blended with another example.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_float(
    "fmix",
    0.0,
    "Probability that irregular blobs of an example are replaced by those of "
    "another example.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_float(
    "cooldown_epochs",
    0.0,
    "Number of epochs at the end of the run without --cutmix, --mixup and "
    "--fmix.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "mix_group",
    8,
    "Examples are mixed within groups of this many consecutive examples.",
    lower_bound=2,
)
