"""Nets for tests."""

import keras

from trainer.models import network


def build(backbone: str, outputs, *, side: int = 32, **changes) -> keras.Model:
    """Returns a float32 core for ink of side x side, plain unless changed.

    Args:
        backbone: Its name.
        outputs: By output, its number of classes.
        side: Height and width that the backbone sees.
        changes: Arguments of network.build_core.
    """
    plain = {
        "height": side,
        "width": side,
        "dropout": 0.0,
        "pool": "average",
        "pool_per_output": False,
        "seed": 0,
    }
    return network.build_core(
        backbone=backbone, outputs=outputs, **plain | changes
    )
