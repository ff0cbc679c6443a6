"""Flags of trainer/main.py: what is trained."""

from absl import flags

flags.DEFINE_integer(
    "validation_fold",
    0,
    "Fold held out to evaluate each epoch on; -1 trains on all folds and keeps "
    "the last weights.",
    lower_bound=-1,
)
flags.DEFINE_string(
    "backbone",
    "small",
    "The net: small and resnet9 (for a CPU); of keras-cv efficientnet_v2_b0, "
    "efficientnet_v2_s, resnet18_v2, resnet50_v2, densenet121; of "
    "keras.applications, with applications_ before its name, convnext_tiny, "
    "densenet121, efficientnet_v2_b0 to _b3 and _s, mobilenet_v3_small, "
    "mobilenet_v3_large, resnet50_v2; tiny, to try things out.",
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
    "Start from a pretrained net: resnet9's weights come with the project "
    "(graphemes drawn with fonts, 64 x 64); ImageNet's are downloaded at the "
    "first start, for applications_… by Keras, and by keras-cv for "
    "efficientnet_v2_b0, efficientnet_v2_s, resnet50_v2, densenet121.",
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
    "Crop each image to its ink (what is darker than a light background, or "
    "lighter than a dark one) before it is resized; "
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
