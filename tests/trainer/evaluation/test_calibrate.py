"""Calibration on made-up logits whose best exponent is known."""

import numpy as np
import pytest

from trainer.evaluation import calibrate, metrics


def shifted_logits(exponent, *, examples=6000, seed=0):
    """Logits of a net that has learned prior(c)^exponent too much."""
    rng = np.random.default_rng(seed)
    counts = np.array([3000, 600, 120])
    labels = rng.integers(0, 3, examples)
    logits = rng.normal(size=(examples, 3))
    logits[np.arange(examples), labels] += 2.0
    return labels, logits + exponent * np.log(counts / counts.sum()), counts


@pytest.mark.parametrize("exponent", [-0.5, 0.5, 1.0])
def test_finds_the_exponent_that_undoes_the_prior(exponent):
    labels, logits, counts = shifted_logits(exponent)
    biases, report = calibrate.fit(
        [({"a": labels}, {"a": logits})], {"a": counts}
    )
    assert report["exponent"]["a"] == pytest.approx(exponent, abs=0.2)
    assert report["recall"]["a"] > report["recall_uncalibrated"]["a"] + 0.02
    predictions = metrics.evaluate_calibrated(
        {"a": labels}, {"a": logits}, biases, {"a": 1.0}
    )
    assert predictions["score"] == pytest.approx(
        report["recall"]["a"], abs=0.01
    )
    assert predictions["score_uncalibrated"] == pytest.approx(
        report["recall_uncalibrated"]["a"]
    )


def test_leaves_alone_what_it_cannot_better():
    labels, logits, counts = shifted_logits(0.0)
    biases, report = calibrate.fit(
        [({"a": labels}, {"a": logits})], {"a": counts}
    )
    assert biases == {"a": [0.0, 0.0, 0.0]}
    assert report["exponent"] == {"a": 0.0}
    assert report["recall"] == report["recall_uncalibrated"]


def test_gain_is_judged_on_examples_that_did_not_choose():
    """Pure noise has no true gain, whatever one picks in hindsight."""
    rng = np.random.default_rng(1)
    gains = []
    for _ in range(20):
        labels = rng.integers(0, 3, 200)
        logits = rng.normal(size=(200, 3))
        counts = np.array([500, 100, 20])
        _, report = calibrate.fit(
            [({"a": labels}, {"a": logits})], {"a": counts}
        )
        gains.append(report["recall"]["a"] - 1 / 3)
    assert abs(np.mean(gains)) < 0.03


def test_splits_weigh_alike():
    """What a large split wants is met half-way for the sake of a small one."""
    predictions, alone = [], []
    for exponent, examples in ((1.0, 6000), (0.0, 1500)):
        labels, logits, counts = shifted_logits(
            exponent, examples=examples, seed=examples
        )
        predictions.append(({"a": labels}, {"a": logits}))
        found = calibrate.fit(predictions[-1:], {"a": counts})[1]
        alone.append(found["exponent"]["a"])
    _, report = calibrate.fit(predictions, {"a": counts})
    assert alone[0] == pytest.approx(1.0, abs=0.2)
    assert alone[1] == pytest.approx(0.0, abs=0.2)
    assert report["exponent"]["a"] == pytest.approx(0.5, abs=0.2)
    labels, logits = predictions[0]
    plain = metrics.evaluate(labels, logits, {"a": 1.0})
    assert report["recall_uncalibrated"]["a"] == pytest.approx(plain["score"])


def test_absent_classes_do_no_harm():
    labels = np.array([0, 0, 1, 1] * 5)
    logits = np.eye(3)[labels] + 0.0
    biases, report = calibrate.fit(
        [({"a": labels}, {"a": logits})], {"a": np.array([9, 9, 0])}
    )
    assert report["recall_uncalibrated"]["a"] == pytest.approx(1.0)
    assert biases == {"a": [0.0, 0.0, 0.0]}
