"""Prints each backbone's parameters, multiply-adds and speed on this machine.

    python benchmarks/backbones.py [--size=64] [--batch_size=32] [NAME ...]

The speed is that of a complete training step (forward, backward, AdamW) in
float32 and in bfloat16: the median of --steps steps after one that compiles.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import statistics  # noqa: E402
import time  # noqa: E402

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from absl import app, flags  # noqa: E402

from trainer.models import (  # noqa: E402
    backbones,
    network,
    training_layers,
)

OUTPUTS = {"grapheme_root": 168, "vowel_diacritic": 11, "consonant": 7}

FLAGS = flags.FLAGS
_SIZE = flags.DEFINE_integer(
    "size", 64, "Height and width of the images, in pixels.", 8
)
_BATCH = flags.DEFINE_integer(
    "batch_size", 32, "Number of images in a step.", 1
)
_STEPS = flags.DEFINE_integer("steps", 5, "Number of steps to time.", 1)


def main(argv: list[str]) -> None:
    print("| backbone | parameters | multiply-adds | float32 | bfloat16 |")
    print("|---|---|---|---|---|")
    for name in argv[1:] or backbones.BACKBONES:
        core = build(name, "float32")
        speeds = [
            f"{images_per_second(build(name, policy)):.0f} images/s"
            for policy in ("float32", "mixed_bfloat16")
        ]
        print(
            f"| {name} | {core.count_params() / 1e6:.3g} M "
            f"| {multiply_adds(core) / 1e6:.3g} M | {' | '.join(speeds)} |",
            flush=True,
        )


def build(name: str, policy: str) -> keras.Model:
    core = network.build_core(
        backbone=name,
        height=_SIZE.value,
        width=_SIZE.value,
        outputs=OUTPUTS,
        dropout=0.0,
        pool="average",
        pool_per_output=False,
        seed=0,
        policy=policy,
    )
    on_cpu = not tf.config.list_physical_devices("GPU")
    training_layers.use(
        core,
        norm_group=0,
        seed=0,
        cpu_bfloat16=on_cpu and policy == "mixed_bfloat16",
    )
    return core


def multiply_adds(core: keras.Model) -> float:
    """Returns the multiply-adds of one image, from TensorFlow's profiler."""
    shape = (1, _SIZE.value, _SIZE.value, 1)
    function = tf.function(lambda images: core(images, training=False))
    graph = function.get_concrete_function(tf.TensorSpec(shape)).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder
    counted = tf.compat.v1.profiler.profile(
        graph,
        options=options(options.float_operation()).with_empty_output().build(),
    )
    return counted.total_float_ops / 2


def images_per_second(core: keras.Model) -> float:
    optimizer = keras.optimizers.AdamW()
    optimizer.build(core.trainable_variables)
    images = tf.random.stateless_uniform(
        (_BATCH.value, _SIZE.value, _SIZE.value, 1), [0, 1]
    )

    @tf.function
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = core(images, training=True)
            loss = tf.add_n([tf.reduce_sum(v**2) for v in logits.values()])
        grads = tape.gradient(loss, core.trainable_variables)
        optimizer.apply(grads, core.trainable_variables)
        return loss

    step()
    seconds = []
    for _ in range(_STEPS.value):
        began = time.monotonic()
        step().numpy()
        seconds.append(time.monotonic() - began)
    return _BATCH.value / statistics.median(seconds)


if __name__ == "__main__":
    app.run(main)
