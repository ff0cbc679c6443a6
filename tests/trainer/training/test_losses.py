"""Loss and learning rate against plain numbers."""

import math

import numpy as np
import pytest
import tensorflow as tf

from trainer.training import losses
from trainer.training.losses import Loss
from trainer.training.schedule import WarmupCosine


def test_cross_entropy_by_hand():
    logits = {
        "a": tf.constant([[0.0, math.log(3.0)]]),
        "b": tf.constant([[0.0, 0.0, 0.0]]),
    }
    labels = {"a": tf.constant([[0.0, 1.0]]), "b": tf.constant([[1.0, 0, 0]])}
    loss = Loss({"a": 3, "b": 1})(labels, logits)
    expected = 0.75 * math.log(4 / 3) + 0.25 * math.log(3)
    np.testing.assert_allclose(loss, [expected], rtol=1e-6)


def test_label_smoothing_spreads_over_all_classes():
    logits = {"a": tf.constant([[2.0, 0.0]])}
    smooth = Loss({"a": 1}, label_smoothing=0.2)
    found = smooth({"a": tf.constant([[1.0, 0.0]])}, logits)
    soft = Loss({"a": 1})({"a": tf.constant([[0.9, 0.1]])}, logits)
    np.testing.assert_allclose(found, soft, rtol=1e-6)
    # An example without a label has nothing to spread.
    assert smooth({"a": tf.zeros([1, 2])}, logits).numpy().tolist() == [0.0]


def test_class_weights_and_focus_by_hand():
    logits = {"a": tf.math.log([[0.8, 0.2], [0.8, 0.2]])}
    labels = {"a": tf.eye(2)}
    loss = Loss({"a": 1}, class_weights={"a": [0.5, 3.0]}, focal_gamma=2.0)
    expected = [
        0.5 * 0.2**2 * -math.log(0.8),
        3.0 * 0.8**2 * -math.log(0.2),
    ]
    np.testing.assert_allclose(loss(labels, logits), expected, rtol=1e-5)


def test_class_weights_even_the_counts_out():
    counts = np.array([900, 90, 10])
    weights = np.array(losses.class_weights(counts, 1.0))
    np.testing.assert_allclose(weights * counts, [1000 / 3] * 3)
    assert losses.class_weights(counts, 0.0) == [1.0] * 3
    half = np.array(losses.class_weights(counts, 0.5))
    np.testing.assert_allclose(half[2] / half[1], 3.0)
    np.testing.assert_allclose(np.sum(half * counts), 1000)


def test_adjusted_logits_learn_what_the_prior_does_not_say():
    priors = losses.log_priors([59, 19, 19], 1.0)
    np.testing.assert_allclose(priors, np.log([0.6, 0.2, 0.2]))
    assert losses.log_priors([59, 19, 19], 0.0) == [0.0] * 3
    # A net that knows nothing is at the prior's cross-entropy.
    loss = Loss({"a": 1}, adjustments={"a": priors})
    found = loss({"a": tf.eye(3)}, {"a": tf.zeros([3, 3])})
    np.testing.assert_allclose(found, -np.log([0.6, 0.2, 0.2]), rtol=1e-6)


def test_the_hardest_of_each_group_count_in_the_others_stead():
    logits = np.zeros((8, 2), np.float32)
    logits[:, 0] = [1, 4, 2, 3, -9, -7, -8, -6]  # The loss falls with them.
    logits = {"a": tf.constant(logits)}
    labels = {"a": tf.one_hot([0] * 8, 2)}
    every = Loss({"a": 1})(labels, logits).numpy()
    some = Loss({"a": 1}, hardest=0.5, group=4)(labels, logits)
    kept = np.array([1, 0, 1, 0, 1, 0, 1, 0])
    np.testing.assert_allclose(some, every * kept * 2, rtol=1e-6)


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
    rate = WarmupCosine(peak=0.1, steps=10, warmup_steps=4)
    np.testing.assert_allclose(rate(tf.constant(step)), expected, rtol=1e-5)
