"""The layers that a core trains with, against Keras's own."""

import backbone_names
import cores
import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.models import backbones, training_layers
from trainer.models.example_dropout import ExampleDropout
from trainer.models.fused_norm import FusedBatchNormalization

SIZE = 32
QUICK = {"tiny", "small", "resnet18_v2", "efficientnet_v2_b0"}


def build(name: str, **changes) -> keras.Model:
    return cores.build(name, {"a": 3}, side=SIZE, **changes)


def draw_images(count: int) -> tf.Tensor:
    return tf.random.stateless_uniform([count, SIZE, SIZE, 1], [1, 2])


def assert_near(found, expected, **options) -> None:
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), **options)


# efficientnet_v2_b0 has normalisation within keras-cv's blocks.
@pytest.mark.parametrize("name", ["small", "efficientnet_v2_b0"])
def test_fused_normalisation_is_kerass(name):
    """The same outputs and moving averages as the layer it stands in for."""
    plain, fused = build(name), build(name)
    training_layers.use(fused, norm_group=0, seed=0, cpu_bfloat16=False)
    for net in (plain, fused):
        for layer in net._flatten_layers():
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
        net(draw_images(8), training=True)
    images = draw_images(8)
    assert_near(
        [fused(images, training=True)["a"], fused(images)["a"]],
        [plain(images, training=True)["a"], plain(images)["a"]],
        atol=1e-4,
    )
    assert_near(fused.weights, plain.weights, atol=1e-4)


def test_a_group_is_normalised_by_itself():
    """And the moving averages go to the mean over the groups."""
    images = draw_images(12)
    nets = [build("small") for _ in range(4)]
    for net in nets:
        training_layers.use(net, norm_group=4, seed=0, cpu_bfloat16=False)
    whole, *parts = nets
    outputs = whole(images, training=True)["a"]
    for index, part in enumerate(parts):
        group = images[4 * index : 4 * index + 4]
        assert_near(
            [part(group, training=True)["a"]],
            [outputs[4 * index : 4 * index + 4]],
            atol=1e-5,
        )
    means = [
        tf.reduce_mean([v.numpy() for v in variables], axis=0)
        for variables in zip(*(part.weights for part in parts), strict=True)
    ]
    assert_near(whole.weights, means, atol=1e-6)
    with pytest.raises(Exception, match="split"):
        whole(images[:6], training=True)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_groups_in_reduced_precision_and_xla(policy):
    core = build("small", dropout=0.1, policy=policy)
    training_layers.use(core, norm_group=4, seed=0, cpu_bfloat16=False)
    weights = [
        [tf.convert_to_tensor(v.value) for v in variables]
        for variables in (
            core.trainable_variables,
            core.non_trainable_variables,
        )
    ]

    def call(images):
        return core.stateless_call(*weights, images, training=True)[0]["a"]

    images = draw_images(8)
    compiled = tf.function(call, jit_compile=True)(images)
    np.testing.assert_allclose(compiled, call(images), atol=0.05)


@pytest.mark.parametrize(
    "name", backbone_names.cases(backbones.BACKBONES, quick=QUICK)
)
def test_every_net_trains_with_them(name):
    core = build(name, dropout=0.1)
    paths = [v.path for v in core.variables]
    training_layers.use(core, norm_group=8, seed=0, cpu_bfloat16=True)
    assert [v.path for v in core.variables] == paths
    kinds = {
        type(layer)
        for layer in core._flatten_layers()
        if layer.built
        and isinstance(
            layer, keras.layers.BatchNormalization | keras.layers.Dropout
        )
    }
    assert kinds <= {FusedBatchNormalization, ExampleDropout}
    assert ExampleDropout in kinds
    keys = [
        layer.key
        for layer in core._flatten_layers()
        if isinstance(layer, ExampleDropout)
    ]
    assert len(set(keys)) == len(keys)


def test_what_cannot_be_changed_is_refused():
    images = keras.Input((8, 8, 1))
    noise = keras.Model(images, keras.layers.GaussianNoise(0.1)(images))
    with pytest.raises(ValueError, match="gaussian_noise draws"):
        training_layers.use(noise, norm_group=8, seed=0, cpu_bfloat16=False)
    norm = keras.layers.BatchNormalization(axis=1)(images)
    with pytest.raises(ValueError, match="does not normalise"):
        training_layers.use(
            keras.Model(images, norm), norm_group=0, seed=0, cpu_bfloat16=False
        )
