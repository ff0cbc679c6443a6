"""Weights to start from: those of an earlier model, or of ImageNet.

What fits is taken over: the backbone whole, and each head whose classes are as
many. Only a run at step 0 starts so; a resumed one has its own weights.
"""

import re
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
from absl import logging

import storage
from trainer import backbones, model_file, run_state


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
        state: run_state.RunState,
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
    """Returns the weights of a backbone trained on ImageNet, by layer."""
    arrays = backbones.download(backbone)
    return {
        name: arrays
        for name, layer in _layers(core)
        if isinstance(layer, keras.Model)
    }


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
        raise storage.UserError(
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
