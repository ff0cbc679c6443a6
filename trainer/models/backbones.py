"""The nets that map an image to a feature map.

Names that start with "applications_" are nets of keras.applications; tiny,
small and resnet9 are our own; the others are from keras-cv. keras-cv is no
longer developed, so only this module imports it, and only when one of its nets
is used: its import takes a fifth of the time of TensorFlow's. Its generic
classes are used, with the stages written here, because its classes with a size
in their name download a preset.
"""

from collections.abc import Callable, Mapping

import keras
import numpy as np

from storage import UserError
from trainer.models import applications

# Maps images [B, h, w, 1] to a feature map.
Build = Callable[[keras.KerasTensor], keras.KerasTensor]
_EFFICIENTNET_V2_KINDS = ["fused"] * 3 + ["unfused"] * 3


def _efficientnet_v2(
    repeats: list[int], inputs: list[int], outputs: list[int]
) -> Build:
    def build(images: keras.KerasTensor) -> keras.KerasTensor:
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


def _resnet_v2(filters: list[int], blocks: list[int], block_type: str) -> Build:
    def build(images: keras.KerasTensor) -> keras.KerasTensor:
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


def _densenet(repeats: list[int]) -> Build:
    def build(images: keras.KerasTensor) -> keras.KerasTensor:
        from keras_cv.models import DenseNetBackbone

        return DenseNetBackbone(
            include_rescaling=False,
            stackwise_num_repeats=repeats,
            input_shape=images.shape[1:],
        )(images)

    return build


def _residual(
    filters: list[int],
    pairs: list[bool],
    *,
    stem_kernel: int,
    stem_strides: int,
) -> Build:
    """Returns a net of 3x3 convolutions and poolings, the fastest on a CPU.

    Each stage after the stem pools and widens. If `pairs` is true for the
    stage, it adds a residual pair of convolutions whose last scale starts at
    zero (Goyal et al. 2017, arXiv 1706.02677). The design follows David Page's
    "How to train your ResNet".
    """

    def build(images: keras.KerasTensor) -> keras.KerasTensor:
        def conv(
            x: keras.KerasTensor,
            width: int,
            name: str,
            kernel: int = 3,
            strides: int = 1,
            gamma: str = "ones",
        ) -> keras.KerasTensor:
            x = keras.layers.Conv2D(
                width,
                kernel,
                strides=strides,
                padding="same",
                use_bias=False,
                kernel_initializer="he_normal",
                name=name,
            )(x)
            return keras.layers.BatchNormalization(
                momentum=0.9, gamma_initializer=gamma, name=f"{name}_bn"
            )(x)

        def relu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
            return keras.layers.ReLU(name=name)(x)

        x = conv(images, filters[0], "stem", stem_kernel, stem_strides)
        x = relu(x, "stem_relu")
        for stage, (width, pair) in enumerate(
            zip(filters[1:], pairs, strict=True)
        ):
            name = f"stage{stage}"
            x = keras.layers.MaxPooling2D(
                2, padding="same", name=f"{name}_pool"
            )(x)
            x = relu(conv(x, width, f"{name}_widen"), f"{name}_relu")
            if pair:
                y = relu(conv(x, width, f"{name}_pair0"), f"{name}_pair0_relu")
                y = conv(y, width, f"{name}_pair1", gamma="zeros")
                x = keras.layers.Add(name=f"{name}_add")([x, y])
                x = relu(x, f"{name}_add_relu")
        return x

    return build


def _tiny(images: keras.KerasTensor) -> keras.KerasTensor:
    """Returns two convolutions without normalisation, for quick tests."""
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


BACKBONES: Mapping[str, Build] = {
    "tiny": _tiny,
    # 34 M multiply-adds at 137 x 236.
    "small": _residual(
        [32, 48, 80, 160], [False, True, False], stem_kernel=5, stem_strides=4
    ),
    # 72 M multiply-adds at 64 x 64.
    "resnet9": _residual(
        [32, 64, 128, 256], [True, True, True], stem_kernel=5, stem_strides=2
    ),
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
    **applications.BUILDERS,
}


def feature_map(name: str, images: keras.KerasTensor) -> keras.KerasTensor:
    """Returns the feature map [B, h', w', C] of images [B, h, w, 1].

    Args:
        name: A key of BACKBONES.
        images: The input.

    Raises:
        storage.UserError: There is no backbone of that name.
    """
    if name not in BACKBONES:
        raise UserError(
            f"--backbone={name} is not known; choose one of "
            f"{', '.join(sorted(BACKBONES))}"
        )
    return BACKBONES[name](images)


def _preset(kind: str, preset: str) -> Callable[[], keras.Model]:
    def download() -> keras.Model:
        import keras_cv.models

        return getattr(keras_cv.models, kind).from_preset(
            preset, load_weights=True
        )

    return download


# Each function downloads a net for colour images, with ImageNet weights.
PRETRAINED: Mapping[str, Callable[[], keras.Model]] = {
    "efficientnet_v2_b0": _preset(
        "EfficientNetV2Backbone", "efficientnetv2_b0_imagenet"
    ),
    "efficientnet_v2_s": _preset(
        "EfficientNetV2Backbone", "efficientnetv2_s_imagenet"
    ),
    "resnet50_v2": _preset("ResNetV2Backbone", "resnet50_v2_imagenet"),
    "densenet121": _preset("DenseNetBackbone", "densenet121_imagenet"),
    **applications.PRETRAINED,
}


def download(name: str) -> list[np.ndarray]:
    """Downloads the weights of a net in PRETRAINED, converted for gray images.

    A gray image copied to three channels gives the same features as one channel
    with the sum of the kernel over its channels.

    Raises:
        storage.UserError: The download failed.
    """
    try:
        net = PRETRAINED[name]()
    except Exception as error:  # The libraries raise many kinds of errors.
        reason = str(error).partition("\n")[0]
        raise UserError(
            f"--pretrained: the weights of {name} could not be downloaded "
            f"({type(error).__name__}: {reason}): this needs a network; or "
            "give --initial_weights=FILE"
        ) from error
    return make_gray([np.asarray(weight) for weight in net.get_weights()])


def make_gray(weights: list[np.ndarray]) -> list[np.ndarray]:
    """Sums the first kernel, [h, w, 3, C], over the colours."""
    first = next(i for i, weight in enumerate(weights) if weight.ndim == 4)
    gray = weights[first].sum(axis=2, keepdims=True)
    return [*weights[:first], gray, *weights[first + 1 :]]
