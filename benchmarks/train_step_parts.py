"""Measures our rows of train_step_torch.py: each part of the train step.

    PYTHONPATH=.:scripts python benchmarks/train_step_parts.py \\
        PRECISION BATCH STEPS FLAGS…

FLAGS are those of trainer/main.py. The dataset has the competition's classes
and image sizes, but no records. Prints JSON: the median seconds, over STEPS, of
preprocessing; preprocessing and augmentation; forward; forward and backward,
with preprocessing and augmentation; the whole step.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from absl import flags
from ahead import export

from trainer.runtime import devices
from trainer.training.train_step import TrainStep

WARM_UP = 5


def main() -> None:
    precision, batch, steps, *arguments = sys.argv[1:]
    flags.FLAGS(
        [
            sys.argv[0],
            "--data_dir=none",
            "--workdir=none",
            *arguments,
            f"--global_batch_size={batch}",
        ]
    )
    devices.prepare("cpu")
    step, features = export.make_step("cpu", precision)
    rows = make_rows(step, draw_examples(features))
    print(json.dumps({k: median(row, int(steps)) for k, row in rows.items()}))


def draw_examples(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Replaces the zeros by noise for ink, and by random draws."""
    rng = np.random.default_rng(0)
    images = np.full(features["image"].shape, 240, np.uint8)
    inside = images[:, 30:100, 60:180]
    inside[:] = rng.integers(0, 255, inside.shape)
    draws = rng.random(features["draws"].shape, np.float32)
    return features | {
        "image": tf.constant(images),
        "draws": tf.constant(draws),
    }


def make_rows(
    step: TrainStep, features: dict[str, tf.Tensor]
) -> dict[str, Callable[[], object]]:
    """Returns the functions to measure, by the names of their rows."""
    core, zero, one = step.core, tf.constant(0, tf.int64), tf.constant(1.0)
    images = tf.random.uniform([step.batch_size, *core.input_shape[1:]])
    augment = step.augmentation.__call__
    if step.compile_augmentation:
        augment = tf.function(augment, jit_compile=True, autograph=False)

    def weights() -> list[list[tf.Tensor]]:
        return [
            [tf.convert_to_tensor(v.value) for v in variables]
            for variables in (
                core.trainable_variables,
                core.non_trainable_variables,
            )
        ]

    def augmented() -> tf.Tensor:
        plain = step.preprocess(features["image"])
        return augment(plain, {}, features["draws"], zero)[0]

    def forward() -> dict[str, tf.Tensor]:
        return core.stateless_call(*weights(), images, training=True)[0]

    def gradients() -> tuple:
        trainable, state = weights()
        return step.gradients(trainable, state, features, zero, one)

    def whole() -> tf.Tensor:
        grads, state, loss, _ = gradients()
        step.update_all(grads, state, zero)
        return loss

    rows = {
        "preprocessing": lambda: step.preprocess(features["image"]),
        "and augmentation": augmented,
        "forward": forward,
        "forward and backward": gradients,
        "step": whole,
    }
    return {k: tf.function(row, autograph=False) for k, row in rows.items()}


def median(call: Callable[[], object], steps: int) -> float:
    """Returns the median time of a call in seconds."""
    seconds = []
    for _ in range(WARM_UP + steps):
        began = time.perf_counter()
        tf.nest.map_structure(lambda tensor: tensor.numpy(), call())
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[WARM_UP:])


if __name__ == "__main__":
    main()
