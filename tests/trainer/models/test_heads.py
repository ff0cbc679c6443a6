"""Pooling and the grapheme head, by hand."""

import cores
import keras
import numpy as np
import pytest
import tensorflow as tf

from trainer.models import heads
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


def test_decoding_by_hand():
    """The mean over a class's graphemes, blended with the output's own head."""
    a, b = np.float32([0.5, 0.3, 0.2]), np.float32([0.25, 0.75])
    logits = {
        "a": tf.math.log([a]) + 1.0,
        "b": tf.math.log([b]) - 2.0,
        heads.GRAPHEME: tf.math.log([[0.2, 0.3, 0.5]]) + 7.0,
    }
    implied = {"a": [0.25, 1e-6, 0.5], "b": [0.2, 0.4]}
    decoded = Graphemes(CLASSES, LABELS).decode(logits)
    assert list(decoded) == ["a", "b"]
    for name, own in (("a", a), ("b", b)):
        expected = 0.5 * np.log(own) + 0.5 * np.log(implied[name])
        np.testing.assert_allclose(decoded[name][0], expected, atol=1e-4)


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
