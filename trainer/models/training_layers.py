"""Replaces layers of a core for training.

Batch normalisation, dropout and some convolutions of every net, also inside
keras-cv's blocks, become layers of this project. They have the variables of
Keras's layers, in the same order, so that the served model can use Keras's own
layers.
"""

import keras
import numpy as np

from trainer.models import small_map_conv
from trainer.models.example_dropout import ExampleDropout
from trainer.models.fused_norm import FusedBatchNormalization
from trainer.models.small_map_conv import SmallMapConv2D


def use(
    core: keras.Model, *, norm_group: int, seed: int, cpu_bfloat16: bool
) -> None:
    """Changes the classes of a core's layers.

    Args:
        core: The result of network.build_core.
        norm_group: Batch normalisation takes its statistics over groups of this
            many consecutive examples; dropout is then drawn for each example.
            0: the examples that are computed at a time, and Keras's dropout.
        seed: Seed of the dropout.
        cpu_bfloat16: Whether the backbone computes in bfloat16 on a CPU. Then
            some convolutions get faster gradients, see small_map_conv.py.

    Raises:
        ValueError: A layer is of a kind that cannot be changed.
    """
    # Keras has no public list of the layers within layers.
    layers = core._flatten_layers()
    for layer in layers:
        # Layers that are not built are not used; keras-cv has some.
        if isinstance(layer, keras.layers.BatchNormalization) and layer.built:
            _fuse(layer, norm_group)
        elif cpu_bfloat16 and small_map_conv.fits(layer):
            layer.__class__ = SmallMapConv2D
    if norm_group:
        _draw_by_example(layers, seed)


def _fuse(layer: keras.layers.BatchNormalization, norm_group: int) -> None:
    rank = layer.input_spec.ndim
    if rank != 4 or layer.axis not in (-1, 3) or not layer.center & layer.scale:
        raise ValueError(
            f"{layer.name} does not normalise and scale the channels of "
            "[B, h, w, C]"
        )
    layer.__class__ = FusedBatchNormalization
    layer.norm_group = norm_group


def _draw_by_example(layers: list[keras.layers.Layer], seed: int) -> None:
    drawing = [layer for layer in layers if layer._seed_generators]
    for number, layer in enumerate(drawing):
        if type(layer) is not keras.layers.Dropout:
            raise ValueError(
                f"{layer.name} draws numbers that depend on the batch's split"
            )
        key = np.random.SeedSequence((seed, number)).generate_state(1)[0]
        layer.__class__ = ExampleDropout
        layer.key = int(key)
