"""Pooling and the grapheme head, by hand."""

import cores
import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.models import heads, network
from trainer.models.heads import Graphemes

CLASSES = {"a": 3, "b": 2}
LABELS = ((0, 0), (0, 1), (2, 1))


def test_index_finds_each_grapheme_and_no_other():
    graphemes = Graphemes(CLASSES, LABELS)
    features = {
        "a": tf.constant([2, 0, 0, 1, 2], tf.int64),
        "b": tf.constant([1, 1, 0, 0, 0], tf.int64),
    }
    assert graphemes.index(features).numpy().tolist() == [2, 1, 0, -1, -1]


@pytest.mark.parametrize(
    ("mean", "a", "b"),
    [
        (False, [0.5, 0, 0.5], [0.2, 0.8]),
        (True, [0.25, 0, 0.5], [0.2, 0.4]),
    ],
)
def test_decoding_gathers_the_graphemes_of_a_class(mean, a, b):
    logits = {
        "a": tf.constant([[1.0, 2.0, 3.0]]),
        "b": tf.constant([[1.0, -1.0]]),
        heads.GRAPHEME: tf.math.log([[0.2, 0.3, 0.5]]) + 7.0,
    }
    whole = Graphemes(CLASSES, LABELS, blend=1.0, mean=mean)
    decoded = whole.decode(logits)
    assert list(decoded) == ["a", "b"]
    np.testing.assert_allclose(tf.exp(decoded["a"])[0], a, atol=1e-5)
    np.testing.assert_allclose(tf.exp(decoded["b"])[0], b, atol=1e-5)
    half = Graphemes(CLASSES, LABELS, blend=0.25, mean=mean)
    np.testing.assert_allclose(
        half.decode(logits)["b"],
        0.75 * tf.nn.log_softmax(logits["b"]) + 0.25 * decoded["b"],
        atol=1e-5,
    )


def test_without_a_blend_it_is_the_outputs_own_head():
    graphemes = Graphemes(CLASSES, LABELS, blend=0.0)
    core = cores.build("tiny", CLASSES, side=16, graphemes=graphemes)
    images = tf.random.stateless_uniform([2, 16, 16, 1], [1, 2])
    decoded = network.decode(core, graphemes)(images)
    for name, logits in decoded.items():
        own = core(images)[name]
        np.testing.assert_allclose(logits, tf.nn.log_softmax(own), atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("average", lambda x: x.mean(axis=(1, 2))),
        ("attention", lambda x: x.mean(axis=(1, 2))),
        ("gem", lambda x: (x**3).mean(axis=(1, 2)) ** (1 / 3)),
    ],
)
def test_pooling_at_the_start(kind, expected):
    inputs = keras.Input((4, 5, 6))
    pooling = keras.Model(inputs, heads.pool(inputs, kind, name="pool"))
    features = np.random.default_rng(0).random((3, 4, 5, 6), np.float32)
    features[0, :, :, 0] = 0.0  # What a ReLU may leave.
    pooled = pooling(features)
    np.testing.assert_allclose(pooled, expected(features), atol=1e-5)


def test_attention_looks_where_its_map_says():
    inputs = keras.Input((2, 3, 1))
    pooling = keras.Model(inputs, heads.pool(inputs, "attention", name="pool"))
    pooling.get_layer("pool").kernel.assign(np.full((1, 1, 1, 1), 2.0))
    features = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1)
    weights = np.exp(2 * features) / np.exp(2 * features).sum()
    expected = (weights * features).sum()
    np.testing.assert_allclose(pooling(features), [[expected]], rtol=1e-5)


def test_each_output_can_have_a_pooling_of_its_own():
    def variables(**options):
        core = cores.build(
            "tiny", CLASSES, side=16, pool="attention", **options
        )
        return {v.path for v in core.weights if v.path.startswith("pool")}

    assert variables() == {"pool/kernel", "pool/bias"}
    assert variables(pool_per_output=True) == {
        f"pool_{name}/{what}" for name in "ab" for what in ("kernel", "bias")
    }
