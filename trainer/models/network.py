"""The nets: the core that is trained, and the model that is served.

  uint8 [B, H, W, 1] -> preprocess -> [B, h, w, 1] ink -> core -> logits

The train step differentiates the core. The served model adds the preprocessing
before the core and the calibration after it. So its inputs are the stored
images, and its logits need no further step.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from trainer.models import backbones, heads
from trainer.models.heads import Graphemes


def build_core(
    *,
    backbone: str,
    height: int,
    width: int,
    outputs: Mapping[str, int],
    dropout: float,
    pool: str,
    pool_per_output: bool,
    seed: int,
    graphemes: Graphemes | None = None,
    policy: str = "float32",
) -> keras.Model:
    """Builds the net that is trained.

    Args:
        backbone: A name in backbones.BACKBONES.
        height: Height of the backbone's input.
        width: Width of the backbone's input.
        outputs: Number of classes of each output.
        dropout: Fraction of the pooled features that are dropped in training.
        pool: See heads.pool.
        pool_per_output: Whether each output has its own pooling.
        seed: Seed of the initial weights and of dropout.
        graphemes: The classes of the grapheme head; None for no such head.
        policy: Keras dtype policy of the backbone; the heads are float32.

    Returns:
        A model from [B, height, width, 1] float32 ink to a dict of logits [B,
        classes] float32, by output and, with a grapheme head, heads.GRAPHEME.
        The same arguments give the same weights.
    """
    # Initializers draw their seeds from a global state of the process.
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((height, width, 1), name="ink")
    with _dtype_policy(policy):
        features = backbones.feature_map(backbone, inputs)
        sizes = dict(outputs)
        if graphemes:
            sizes[heads.GRAPHEME] = len(graphemes.labels)
        names = {name: f"pool_{name}" for name in sizes}
        if not pool_per_output:
            names = dict.fromkeys(sizes, "pool")
        pools = {
            name: heads.pool(features, pool, name=name)
            for name in dict.fromkeys(names.values())
        }
    drop = keras.layers.Dropout(
        dropout, seed=seed, dtype="float32", name="dropout"
    )
    dropped = {name: drop(pooled) for name, pooled in pools.items()}
    logits = {
        name: keras.layers.Dense(classes, dtype="float32", name=name)(
            dropped[names[name]]
        )
        for name, classes in sizes.items()
    }
    return keras.Model(inputs, logits, name="core")


def decode(core: keras.Model, graphemes: Graphemes | None) -> keras.Model:
    """Returns the core with the grapheme head blended into the other logits.

    Args:
        core: The result of build_core; its layers are shared.
        graphemes: The graphemes that it was built with.
    """
    if graphemes is None:
        return core
    return keras.Model(
        core.input, graphemes.decode(core.output), name="decoded"
    )


def build_served(
    core: keras.Model,
    *,
    preprocess: Callable[[Any], Any],
    image_shape: Sequence[int],
    calibration: Mapping[str, Sequence[float]],
) -> keras.Model:
    """Builds the model that is served, from a float32 core.

    Args:
        core: The result of build_core under the float32 policy, decoded.
        preprocess: The preprocessing that the core was trained with.
        image_shape: Height and width of the stored images.
        calibration: For each output, a number for each class that is added to
            its logit.

    Returns:
        A model from uint8 [B, H, W, 1] to a dict of calibrated logits.
    """
    images = keras.Input((*image_shape, 1), dtype="uint8", name="image")
    logits = core(preprocess(images))
    calibrated = {
        name: keras.ops.add(value, np.asarray(calibration[name], np.float32))
        for name, value in logits.items()
    }
    return keras.Model(images, calibrated, name="served")


@contextlib.contextmanager
def _dtype_policy(name: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
