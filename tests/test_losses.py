"""Loss and learning rate against plain numbers."""

import math

import numpy as np
import pytest
import tensorflow as tf

from trainer import losses, schedule


def test_cross_entropy_by_hand():
    logits = {
        "a": tf.constant([[0.0, math.log(3.0)]]),
        "b": tf.constant([[0.0, 0.0, 0.0]]),
    }
    labels = {"a": tf.constant([[0.0, 1.0]]), "b": tf.constant([[1.0, 0, 0]])}
    loss = losses.cross_entropy(labels, logits, output_weights={"a": 3, "b": 1})
    expected = 0.75 * math.log(4 / 3) + 0.25 * math.log(3)
    np.testing.assert_allclose(loss, [expected], rtol=1e-6)


def test_label_smoothing_spreads_over_all_classes():
    logits = {"a": tf.constant([[2.0, 0.0]])}
    smooth = losses.cross_entropy(
        {"a": tf.constant([[1.0, 0.0]])},
        logits,
        output_weights={"a": 1},
        label_smoothing=0.2,
    )
    soft = losses.cross_entropy(
        {"a": tf.constant([[0.9, 0.1]])}, logits, output_weights={"a": 1}
    )
    np.testing.assert_allclose(smooth, soft, rtol=1e-6)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.025),
        (3, 0.1),
        (4, 0.1),
        (7, 0.1 * (0.01 + 0.99 * 0.5)),
        (10, 0.001),
        (99, 0.001),
    ],
)
def test_schedule(step, expected):
    rate = schedule.WarmupCosine(peak=0.1, steps=10, warmup_steps=4)
    np.testing.assert_allclose(rate(tf.constant(step)), expected, rtol=1e-5)
