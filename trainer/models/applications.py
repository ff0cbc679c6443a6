"""The nets of keras.applications; their ImageNet weights need no account."""

import functools
import inspect
from collections.abc import Callable, Mapping

import keras

from storage import UserError

_MIN_SIZE = 32  # Pixels; keras.applications refuses smaller images.
_KINDS = {
    "applications_convnext_tiny": "ConvNeXtTiny",
    "applications_densenet121": "DenseNet121",
    "applications_efficientnet_v2_b0": "EfficientNetV2B0",
    "applications_efficientnet_v2_b1": "EfficientNetV2B1",
    "applications_efficientnet_v2_b2": "EfficientNetV2B2",
    "applications_efficientnet_v2_b3": "EfficientNetV2B3",
    "applications_efficientnet_v2_s": "EfficientNetV2S",
    "applications_mobilenet_v3_large": "MobileNetV3Large",
    "applications_mobilenet_v3_small": "MobileNetV3Small",
    "applications_resnet50_v2": "ResNet50V2",
}


def _make_net(
    kind: str, shape: tuple[int, int, int], *, weights: str | None
) -> keras.Model:
    """Returns a net that maps images of a shape to a feature map."""
    make = getattr(keras.applications, kind)
    options = {}
    if "include_preprocessing" in inspect.signature(make).parameters:
        options["include_preprocessing"] = False
    return make(
        include_top=False, weights=weights, input_shape=shape, **options
    )


def _build(name: str, images: keras.KerasTensor) -> keras.KerasTensor:
    """Returns the feature map [B, h', w', C] of images [B, h, w, 1].

    Raises:
        UserError: The images are too small.
    """
    height, width = images.shape[1:3]
    if min(height, width) < _MIN_SIZE:
        raise UserError(
            f"--backbone={name} needs images of {_MIN_SIZE} x {_MIN_SIZE} "
            f"pixels or more, got {height} x {width}: give --input_height and "
            "--input_width"
        )
    return _make_net(_KINDS[name], images.shape[1:], weights=None)(images)


BUILDERS: Mapping[str, Callable[[keras.KerasTensor], keras.KerasTensor]] = {
    name: functools.partial(_build, name) for name in _KINDS
}

# Each function downloads a net for colour images, with ImageNet weights.
PRETRAINED: Mapping[str, Callable[[], keras.Model]] = {
    name: functools.partial(
        _make_net, kind, (_MIN_SIZE, _MIN_SIZE, 3), weights="imagenet"
    )
    for name, kind in _KINDS.items()
}
