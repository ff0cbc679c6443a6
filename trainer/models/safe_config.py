"""Checks the content of a model.keras before Keras reads it.

Keras builds every class and calls every function that a file names. Its safe
mode had holes in versions that are supported here: functions of Keras itself,
such as get_file and load_model, in a Lambda layer (CVE-2025-8747), HDF5 files
(CVE-2025-9905), a SavedModel from anywhere on the disk in a TFSMLayer
(CVE-2026-1462), weights that are the bytes of other files (CVE-2026-1669). So a
file may name only classes that the models of this trainer use.
"""

import io
import json
import os
import zipfile
from typing import Any

import h5py

from storage import UserError, zip_folder

_CONFIG = "config.json"
_WEIGHTS = "model.weights.h5"
_MEMBERS = (_CONFIG, "metadata.json", _WEIGHTS)

# By module, as Keras writes it; a test compares the list with every backbone.
_CLASSES = {
    None: "__ellipsis__ __keras_tensor__ __numpy__ __slice__ __tensor__",
    "keras": "DTypePolicy Sequential",
    "keras.initializers": "Constant GlorotUniform HeNormal Ones "
    "VarianceScaling Zeros",
    "keras.layers": "Activation Add AveragePooling2D BatchNormalization "
    "Concatenate Conv2D Dense DepthwiseConv2D Dropout GlobalAveragePooling2D "
    "InputLayer LayerNormalization MaxPooling2D Multiply ReLU Reshape "
    "ZeroPadding2D",
    "keras.src.applications.convnext": "LayerScale",
    "keras.src.models.functional": "Functional",
    "keras.src.ops.core": "Cast",
    "keras.src.ops.nn": "LogSoftmax OneHot Softmax",
    "keras.src.ops.numpy": "Absolute Add Exp ExpandDims GetItem Greater "
    "GreaterEqual Log Matmul Max Maximum Mean Min Mod Multiply Pad Reshape "
    "Subtract Sum Swapaxes TrueDivide Where",
    "keras_cv.src.models.backbones.densenet.densenet_backbone": (
        "DenseNetBackbone"
    ),
    "keras_cv.src.models.backbones.efficientnet_v2."
    "efficientnet_v2_backbone": "EfficientNetV2Backbone",
    "keras_cv.src.models.backbones.resnet_v2.resnet_v2_backbone": (
        "ResNetV2Backbone"
    ),
}
# A list, not a set: the values in a damaged file may not be hashable.
_KNOWN = [(module, c) for module, cs in _CLASSES.items() for c in cs.split()]


def check(path: str | os.PathLike, *, card: str) -> None:
    """Refuses a file that could make Keras run code or read other files.

    Args:
        path: The model.keras.
        card: Name of the zip entry with the card.

    Raises:
        UserError: The file holds something that no model of this trainer has.
        Exception: Any error of zipfile, json and h5py for a damaged file.
    """
    with zipfile.ZipFile(path) as archive:
        found = _find_member(archive, {*_MEMBERS, card})
        # The digests of the entries are checked while they are read.
        found = found or find_class(json.loads(archive.read(_CONFIG)))
        found = found or _find_link(archive.read(_WEIGHTS))
    if found:
        raise UserError(
            f"{path} holds {found}, which no model of this trainer has. It "
            "is not read, since it could run code: expected a model.keras "
            "that trainer/main.py wrote"
        )


def check_net(net: Any) -> None:
    """Refuses a net whose model.keras could not be read later.

    Args:
        net: A keras.Model.

    Raises:
        UserError: It names the class.
    """
    found = find_class(json.loads(net.to_json()))
    if found is not None:
        raise UserError(
            f"the net holds {found}, which is not in the list of "
            "trainer/models/safe_config.py: its model.keras would not be "
            "read. Add it to that list, or use another --backbone"
        )


def _find_member(archive: zipfile.ZipFile, allowed: set[str]) -> str | None:
    """Returns a text about an entry that a zip must not have; else None."""
    for entry in archive.infolist():
        if entry.filename not in allowed:
            return f"the entry {_quote(entry.filename)}"
        if zip_folder.is_encrypted(entry):
            return f"the encrypted entry {entry.filename}"
        allowed = allowed - {entry.filename}  # It may occur only once.
    return None


def find_class(config: Any) -> str | None:
    """Returns a text about a class that a config must not name; else None.

    Args:
        config: A parsed config.json, or a part of it.
    """
    todo = [config]
    while todo:
        value = todo.pop()
        if isinstance(value, list):
            todo += value
        elif isinstance(value, dict):
            if "class_name" in value and not _is_known(value):
                return _describe(value)
            todo += value.values()
    return None


def _is_known(value: dict) -> bool:
    """Returns whether an object's class is one of _CLASSES.

    Keras uses a registered name before module and class name, so it is checked,
    too.
    """
    module, name = value.get("module"), value["class_name"]
    if (module, name) not in _KNOWN:
        return False
    is_keras_cv = str(module).startswith("keras_cv.")
    registered = f"keras_cv>{name}" if is_keras_cv else name
    return value.get("registered_name") in (None, registered)


def _describe(value: dict) -> str:
    module, name = value.get("module"), value["class_name"]
    if name == "function":
        function = value.get("config")
        return f"the function {_quote(f'{module}.{function}')}"
    registered = value.get("registered_name")
    alias = "" if registered in (None, name) else f" as {_quote(registered)}"
    return f"the class {_quote(f'{module}.{name}')}{alias}"


def _find_link(weights: bytes) -> str | None:
    """Returns a text about weights stored in other files; else None."""

    def visit(name: str, link: h5py.HardLink | h5py.SoftLink) -> str | None:
        item = file[name] if isinstance(link, h5py.HardLink) else None
        if item is None or (
            isinstance(item, h5py.Dataset)
            and (item.external or item.is_virtual)
        ):
            return f"weights, {_quote(name)}, whose bytes are elsewhere"
        return None

    with h5py.File(io.BytesIO(weights), "r") as file:
        return file.visititems_links(visit)


def _quote(text: object) -> str:
    """Returns a text from a file, made safe for one line on a terminal."""
    return ascii(str(text)[:100])
