"""Flags of trainer/main.py: the model, and the data it is evaluated on."""

from absl import flags

flags.DEFINE_integer(
    "validation_fold",
    0,
    "Fold that is not trained on; each epoch is evaluated on it. -1 trains on "
    "all folds and keeps the last weights.",
    lower_bound=-1,
)
flags.DEFINE_string(
    "backbone",
    "small",
    "The net. For a CPU: small, resnet9. From keras-cv: efficientnet_v2_b0, "
    "efficientnet_v2_s, resnet18_v2, resnet50_v2, densenet121. From "
    "keras.applications, with applications_ before the name: convnext_tiny, "
    "densenet121, efficientnet_v2_b0 to _b3 and _s, mobilenet_v3_small, "
    "mobilenet_v3_large, resnet50_v2. For tests: tiny.",
)
flags.DEFINE_string(
    "initial_weights",
    None,
    "Path of a model.keras of this trainer. Training starts from those of its "
    "weights that fit the new model. Needed only at the first start of a run.",
)
flags.DEFINE_bool(
    "pretrained",
    False,
    "Start from pretrained weights. Those of resnet9 come with the project "
    "(trained on graphemes drawn with fonts, 64 x 64 pixels). For "
    "applications_… Keras downloads ImageNet weights at the first start; for "
    "efficientnet_v2_b0, efficientnet_v2_s, resnet50_v2 and densenet121 "
    "keras-cv does. The other nets have none.",
)
flags.DEFINE_integer(
    "input_height",
    0,
    "Height in pixels of the backbone's input. The model itself resizes the "
    "stored images. 0: the height of the stored images.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "input_width",
    0,
    "Width in pixels of the backbone's input. 0: the width of the stored "
    "images.",
    lower_bound=0,
)
flags.DEFINE_bool(
    "crop",
    True,
    "Crop each image to its ink before it is resized. Ink is what is darker "
    "than a light background, or lighter than a dark one. The model itself "
    "crops. --nocrop resizes the whole image.",
)
flags.DEFINE_float(
    "dropout",
    0.2,
    "Fraction of the pooled features that dropout sets to zero in training.",
    lower_bound=0,
    upper_bound=0.95,
)
flags.DEFINE_enum(
    "pool",
    "average",
    ["average", "gem", "attention"],
    "How the feature map is pooled. average: its mean. gem: a generalised mean "
    "with learned exponents. attention: a mean with learned weights for each "
    "position.",
)
flags.DEFINE_bool(
    "pool_per_output",
    False,
    "With --pool=gem or attention: each output has its own exponents or its "
    "own attention map.",
)
flags.DEFINE_float(
    "grapheme_head",
    0.0,
    "Weight in the loss of an extra head with one class for each combination "
    "of labels in the folds; --output_weights has the weights of the other "
    "heads. 0: no extra head.",
    lower_bound=0,
)
flags.DEFINE_list(
    "output_weights",
    ["grapheme_root:2"],
    "Weights of the outputs in the score and the loss, as name:weight,… An "
    "output that is not listed has the weight 1.",
)
