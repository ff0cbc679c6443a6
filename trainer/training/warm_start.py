"""Weights to start from: those of an earlier model, or of a pretrained net.

What fits is taken over: the backbone whole, and each head whose classes are as
many. Only a run at step 0 starts so; a resumed one has its own weights.
"""

import io
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
from absl import logging

import storage
from storage import UserError
from trainer.models import backbones, model_file
from trainer.runtime.run_state import RunState

# Of our own nets, trained by scripts/pretrain.py on drawn graphemes alone.
_DRAWN = pathlib.Path(backbones.__file__).with_name("weights")


class WarmStart(keras.callbacks.Callback):
    """Gives a run that is at its first step its weights.

    Args:
        nets: The core and its moving average.
        state: The run, restored by a callback before this one.
        read: Returns, by layer, the weights to start from.
    """

    def __init__(
        self,
        nets: Sequence[keras.Model],
        *,
        state: RunState,
        read: Callable[[], Mapping[str, list[np.ndarray]]],
    ):
        super().__init__()
        self._nets = nets
        self._state = state
        self._read = read

    def on_train_begin(self, logs=None):
        del logs
        if self._state.step:
            return
        weights = self._read()
        for net in self._nets:
            fresh = assign(net, weights)
        logging.info(
            "Starting from given weights; from scratch: %s",
            ", ".join(fresh) or "nothing",
        )


def read_model(path: str) -> dict[str, list[np.ndarray]]:
    """Returns the weights of a model.keras, by layer."""
    served, _ = model_file.read(path)
    nets = [layer for layer in served.layers if isinstance(layer, keras.Model)]
    return {name: layer.get_weights() for name, layer in _layers(nets[0])}


def read_pretrained(
    backbone: str, core: keras.Model
) -> dict[str, list[np.ndarray]]:
    """Returns a pretrained net's weights, by layer.

    Those of our own nets come with the project, heads included; those of
    keras-cv's are downloaded.

    Raises:
        storage.UserError: There are none for it, or no network.
    """
    drawn = {path.stem: path for path in _DRAWN.glob("*.npz")}
    if backbone in drawn:
        return _unpack(drawn[backbone])
    if backbone not in backbones.PRETRAINED:
        known = sorted({*drawn, *backbones.PRETRAINED})
        raise UserError(
            f"--pretrained: there are no weights for --backbone={backbone}, "
            f"but for {', '.join(known)}; give --nopretrained to start without"
        )
    arrays = backbones.download(backbone)
    return {
        name: arrays
        for name, layer in _layers(core)
        if isinstance(layer, keras.Model)
    }


def pack(weights: Mapping[str, list[np.ndarray]], path: pathlib.Path) -> None:
    """Writes weights by layer as an .npz, matrices and kernels as float16."""
    named = {
        f"{layer}/{index}": array.astype("float16" if array.ndim > 1 else "f4")
        for layer, arrays in weights.items()
        for index, array in enumerate(arrays)
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **named)
    storage.write_whole(path, buffer.getvalue())


def _unpack(path):
    weights = {}
    with np.load(path) as arrays:
        for name in arrays.files:  # In the order that pack wrote them in.
            layer = weights.setdefault(name.partition("/")[0], [])
            layer.append(arrays[name].astype(np.float32))
    return weights


def assign(
    core: keras.Model, weights: Mapping[str, list[np.ndarray]]
) -> list[str]:
    """Copies weights layer by layer where name and shapes are the same.

    Args:
        core: What model.build_core returned.
        weights: By layer, its arrays.

    Returns:
        The layers that keep their own.

    Raises:
        storage.UserError: They are another backbone's.
    """
    fresh, copied = [], 0
    for name, layer in _layers(core):
        found = weights.get(name, [])
        if [a.shape for a in found] == [tuple(w.shape) for w in layer.weights]:
            for variable, array in zip(layer.weights, found, strict=True):
                variable.assign(array)
            copied += 1
        else:
            fresh.append(name)
    heads = set(core.output) | {name for name in fresh if name[:4] == "pool"}
    if not copied or set(fresh) - heads:
        raise UserError(
            "the weights to start from are another net's: "
            f"{', '.join(sorted(set(fresh) - heads))} differ; give the "
            "--backbone and the input size that they were trained with"
        )
    return fresh


def _layers(net):
    """Yields the layers with weights, by a name that is the same each time.

    Keras numbers the layers that it names itself: net, net_1, …
    """
    for layer in net.layers:
        if layer.weights:
            yield re.sub(r"_\d+$", "", layer.name), layer
