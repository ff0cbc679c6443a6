"""Weights to start from: those of an earlier model, or of a pretrained net.

Weights that fit are copied: those of the whole backbone, and those of each head
that has the same number of classes.
"""

import io
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

import storage
from storage import UserError
from trainer.models import backbones, model_file

# Weights of our own nets, which scripts/pretrain.py trained on only drawn
# graphemes.
_OWN_WEIGHTS = pathlib.Path(__file__).with_name("weights")


def read_model(path: str) -> dict[str, list[np.ndarray]]:
    """Returns the weights of a model.keras, by layer."""
    served, _ = model_file.read(path)
    nets = [layer for layer in served.layers if isinstance(layer, keras.Model)]
    return {name: layer.get_weights() for name, layer in _layers(nets[0])}


def read_pretrained(
    backbone: str, core: keras.Model
) -> dict[str, list[np.ndarray]]:
    """Returns a pretrained net's weights, by layer.

    The weights of our own nets, heads included, come with the project; the
    others are downloaded.

    Raises:
        UserError: There are no weights for the net, or the download failed.
    """
    own = {path.stem: path for path in _OWN_WEIGHTS.glob("*.npz")}
    if backbone in own:
        return _unpack(own[backbone])
    if backbone not in backbones.PRETRAINED:
        known = sorted({*own, *backbones.PRETRAINED})
        raise UserError(
            f"--pretrained: there are no weights for --backbone={backbone}, "
            f"only for {', '.join(known)}; give --nopretrained to start "
            "without weights"
        )
    arrays = backbones.download(backbone)
    return {
        name: arrays
        for name, layer in _layers(core)
        if isinstance(layer, keras.Model)
    }


def pack(weights: Mapping[str, list[np.ndarray]], path: pathlib.Path) -> None:
    """Writes weights by layer as an .npz, matrices and kernels as float16."""
    named: dict[str, Any] = {
        f"{layer}/{index}": array.astype("float16" if array.ndim > 1 else "f4")
        for layer, arrays in weights.items()
        for index, array in enumerate(arrays)
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **named)
    storage.write_whole(path, buffer.getvalue())


def _unpack(path: pathlib.Path) -> dict[str, list[np.ndarray]]:
    weights: dict[str, list[np.ndarray]] = {}
    with np.load(path) as arrays:
        for name in arrays.files:  # In the order in which pack wrote them.
            layer = weights.setdefault(name.partition("/")[0], [])
            layer.append(arrays[name].astype(np.float32))
    return weights


def assign(
    core: keras.Model, weights: Mapping[str, list[np.ndarray]]
) -> list[str]:
    """Copies the weights of each layer whose name and shapes are the same.

    Args:
        core: The result of network.build_core.
        weights: The arrays of each layer, by its name.

    Returns:
        The names of the layers whose weights are not changed.

    Raises:
        UserError: The weights are of another backbone.
    """
    fresh, copied = [], 0
    for name, layer in _layers(core):
        arrays = weights.get(name, [])
        if [a.shape for a in arrays] == [tuple(w.shape) for w in layer.weights]:
            for variable, array in zip(layer.weights, arrays, strict=True):
                variable.assign(array)
            copied += 1
        else:
            fresh.append(name)
    heads = set(core.output) | {name for name in fresh if name[:4] == "pool"}
    if not copied or set(fresh) - heads:
        raise UserError(
            "the weights to start from are of another net: "
            f"{', '.join(sorted(set(fresh) - heads))} differ; give the "
            "--backbone and the input size that they were trained with"
        )
    return fresh


def _layers(net: keras.Model) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Yields the layers with weights, by a name that is always the same.

    Keras adds numbers to names that it chooses itself: net, net_1, …
    """
    for layer in net.layers:
        if layer.weights:
            yield re.sub(r"_\d+$", "", layer.name), layer
