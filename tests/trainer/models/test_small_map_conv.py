"""The convolution with fast gradients, against Keras's own."""

import cores
import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.models import small_map_conv, training_layers
from trainer.models.small_map_conv import SmallMapConv2D


def build(size=4, channels=64, filters=64, **options) -> keras.Model:
    inputs = keras.Input((size, size, channels))
    options = {"padding": "same"} | options
    conv = keras.layers.Conv2D(filters, 3, **options)
    return keras.Model(inputs, conv(inputs))


def gradients(net: keras.Model, images: tf.Tensor) -> list[np.ndarray]:
    weights = [variable.value for variable in net.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = net(images, training=True)
        # Every output's part of the loss is another one.
        loss = tf.reduce_sum(tf.sin(tf.cast(outputs, tf.float32)))
    found = tape.gradient(loss, [images, *weights])
    return [np.asarray(outputs), *map(np.asarray, found)]


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_outputs_and_gradients_are_kerass(policy):
    keras.utils.set_random_seed(0)
    net = build(filters=96, dtype=policy)
    images = tf.random.stateless_normal([5, 4, 4, 64], [1, 2])
    expected = gradients(net, images)
    training_layers.use(net, norm_group=0, seed=0, cpu_bfloat16=True)
    assert type(net.layers[1]) is SmallMapConv2D
    exact = policy == "float32"
    for found, wanted in zip(gradients(net, images), expected, strict=True):
        np.testing.assert_allclose(
            np.float32(found),
            np.float32(wanted),
            rtol=1e-5 if exact else 2e-2,
            atol=1e-4 if exact else 5e-2,
        )


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({}, True),
        ({"size": 5}, False),
        ({"filters": 32}, False),
        ({"channels": 32}, False),
        ({"strides": 2}, False),
        ({"padding": "valid"}, False),
        ({"dilation_rate": 2}, False),
        ({"groups": 2}, False),
    ],
)
def test_it_is_for_what_was_measured(changes, fits):
    net = build(**changes)
    assert small_map_conv.fits(net.layers[1]) == fits


def test_resnet9_has_three():
    net = cores.build("resnet9", {"a": 3}, side=64)
    kinds = [layer.name for layer in net.layers if small_map_conv.fits(layer)]
    assert kinds == ["stage2_widen", "stage2_pair0", "stage2_pair1"]
