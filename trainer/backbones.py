"""The nets that turn an image into a feature map.

keras-cv is frozen upstream, so this module alone imports it, and only when one
of its nets is asked for (about 4 s). Its generic classes are used with the
stages written out: the classes named after a size download a preset.
"""

from collections.abc import Callable, Mapping

import keras

import storage

_EFFICIENTNET_V2_KINDS = ["fused"] * 3 + ["unfused"] * 3


def _efficientnet_v2(repeats, inputs, outputs):
    def build(images):
        from keras_cv.models import EfficientNetV2Backbone

        return EfficientNetV2Backbone(
            include_rescaling=False,
            width_coefficient=1.0,
            depth_coefficient=1.0,
            stackwise_kernel_sizes=[3] * 6,
            stackwise_num_repeats=repeats,
            stackwise_input_filters=inputs,
            stackwise_output_filters=outputs,
            stackwise_expansion_ratios=[1, 4, 4, 4, 6, 6],
            stackwise_squeeze_and_excite_ratios=[0, 0, 0, 0.25, 0.25, 0.25],
            stackwise_strides=[1, 2, 2, 2, 1, 2],
            stackwise_conv_types=_EFFICIENTNET_V2_KINDS,
            input_shape=images.shape[1:],
        )(images)

    return build


def _resnet_v2(filters, blocks, block_type):
    def build(images):
        from keras_cv.models import ResNetV2Backbone

        return ResNetV2Backbone(
            include_rescaling=False,
            stackwise_filters=filters,
            stackwise_blocks=blocks,
            stackwise_strides=[1, 2, 2, 2],
            block_type=block_type,
            input_shape=images.shape[1:],
        )(images)

    return build


def _densenet(repeats):
    def build(images):
        from keras_cv.models import DenseNetBackbone

        return DenseNetBackbone(
            include_rescaling=False,
            stackwise_num_repeats=repeats,
            input_shape=images.shape[1:],
        )(images)

    return build


def _small(filters, blocks):
    """A plain pre-activation residual net that a CPU can train."""

    def conv(x, width, name, kernel=3, strides=1):
        return keras.layers.Conv2D(
            width,
            kernel,
            strides=strides,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=name,
        )(x)

    def norm_relu(x, name):
        x = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
        return keras.layers.ReLU(name=f"{name}_relu")(x)

    def build(images):
        x = conv(images, filters[0], "stem", kernel=4, strides=4)
        for stage, (width, count) in enumerate(
            zip(filters[1:], blocks, strict=True)
        ):
            for block in range(count):
                name = f"stage{stage}_block{block}"
                strides = 2 if block == 0 and stage > 0 else 1
                y = norm_relu(x, f"{name}_0")
                if x.shape[-1] != width or strides > 1:
                    x = conv(y, width, f"{name}_skip", 1, strides)
                y = conv(y, width, f"{name}_conv0", strides=strides)
                y = norm_relu(y, f"{name}_1")
                y = conv(y, width, f"{name}_conv1")
                x = keras.layers.Add(name=f"{name}_add")([x, y])
        return norm_relu(x, "last")

    return build


def _tiny(images):
    """Two convolutions without normalisation: for trying things out."""
    for index, width in enumerate((8, 16)):
        images = keras.layers.Conv2D(
            width,
            3,
            strides=2,
            padding="same",
            activation="relu",
            name=f"conv{index}",
        )(images)
    return images


BACKBONES: Mapping[str, Callable[[keras.KerasTensor], keras.KerasTensor]] = {
    "tiny": _tiny,
    "small": _small([32, 48, 96, 192], [1, 1, 1]),
    "efficientnet_v2_b0": _efficientnet_v2(
        [1, 2, 2, 3, 5, 8],
        [32, 16, 32, 48, 96, 112],
        [16, 32, 48, 96, 112, 192],
    ),
    "efficientnet_v2_s": _efficientnet_v2(
        [2, 4, 4, 6, 9, 15],
        [24, 24, 48, 64, 128, 160],
        [24, 48, 64, 128, 160, 256],
    ),
    "resnet18_v2": _resnet_v2([64, 128, 256, 512], [2, 2, 2, 2], "basic_block"),
    "resnet50_v2": _resnet_v2([64, 128, 256, 512], [3, 4, 6, 3], "block"),
    "densenet121": _densenet([6, 12, 24, 16]),
}


def feature_map(name: str, images: keras.KerasTensor) -> keras.KerasTensor:
    """Returns the feature map [B, h', w', C] of images [B, h, w, 1].

    Raises:
        storage.UserError: No backbone has that name.
    """
    if name not in BACKBONES:
        raise storage.UserError(
            f"--backbone={name} is not known; choose one of "
            f"{', '.join(sorted(BACKBONES))}"
        )
    return BACKBONES[name](images)
