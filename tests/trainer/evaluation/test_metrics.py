"""The score, on numbers small enough to work out by hand."""

import numpy as np
import pytest

from trainer.evaluation import metrics


def one_hot(predictions, classes):
    return np.eye(classes, dtype=np.float32)[predictions]


def test_confusion_counts_true_by_predicted():
    counts = metrics.confusion(
        np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 3
    )
    assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_score_is_the_weighted_macro_recall_of_present_classes():
    labels = {"a": np.array([0, 0, 0, 1]), "b": np.array([1, 1, 1, 1])}
    logits = {"a": one_hot([0, 0, 1, 1], 3), "b": one_hot([1, 1, 1, 0], 2)}
    scores = metrics.evaluate(labels, logits, {"a": 2.0, "b": 1.0})
    assert scores["recall_per_class"] == {
        "a": [pytest.approx(2 / 3), 1.0, None],
        "b": [None, 0.75],
    }
    assert scores["recall"] == {
        "a": pytest.approx(5 / 6),
        "b": pytest.approx(0.75),
    }
    assert scores["score"] == pytest.approx((2 * 5 / 6 + 0.75) / 3)


def test_an_output_without_examples_is_left_out():
    labels = {"a": np.array([], int), "b": np.array([], int)}
    logits = {"a": np.zeros((0, 2)), "b": np.zeros((0, 2))}
    scores = metrics.evaluate(labels, logits, {"a": 1.0, "b": 1.0})
    assert scores["recall"] == {"a": None, "b": None}
    assert scores["score"] is None


def test_calibration_moves_the_decision():
    labels = {"a": np.array([0, 1])}
    logits = {"a": np.array([[1.0, 0.9], [1.0, 0.9]], np.float32)}
    scores = metrics.evaluate_calibrated(
        labels, logits, {"a": [0.0, 0.2]}, {"a": 1.0}
    )
    assert scores["recall_per_class"] == {"a": [0.0, 1.0]}
    assert scores["score"] == scores["score_uncalibrated"] == 0.5
    assert scores["images"] == 2


def test_all_zero_predictions_score_what_the_competition_says():
    """168, 11 and 7 classes, weights 2:1:1: 0.0614, as published."""
    sizes = {"root": 168, "vowel": 11, "consonant": 7}
    labels = {n: np.arange(168) % c for n, c in sizes.items()}
    logits = {n: one_hot(np.zeros(168, int), c) for n, c in sizes.items()}
    scores = metrics.evaluate(
        labels, logits, {"root": 2.0, "vowel": 1.0, "consonant": 1.0}
    )
    assert scores["score"] == pytest.approx(0.0614, abs=5e-5)
