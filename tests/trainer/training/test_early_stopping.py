"""What a history decides, from the history alone."""

import pytest

from trainer.training import early_stopping


def history(*scores):
    return [{"score": s, "loss": 1.0} for s in scores]


def test_counts_epochs_since_the_best_one():
    rows = history(0.1, 0.3, 0.2, 0.3, 0.4, 0.1)
    assert early_stopping.epochs_without_gain(rows) == [0, 0, 1, 2, 0, 1]


def test_without_a_score_the_loss_counts():
    rows = [{"score": None, "loss": x} for x in (3.0, 2.0, 2.5, 1.0)]
    assert early_stopping.epochs_without_gain(rows) == [0, 0, 1, 0]


@pytest.mark.parametrize(
    ("scores", "patience", "over"),
    [
        ((), 2, False),
        ((0.5, 0.4), 2, False),
        ((0.5, 0.4, 0.3), 2, True),
        ((0.5, 0.4, 0.3), 0, False),
        ((0.5, 0.4, 0.6), 2, False),
    ],
)
def test_is_over(scores, patience, over):
    assert early_stopping.is_over(history(*scores), patience=patience) is over


def test_rate_falls_at_each_plateau_and_does_not_rise_again():
    scores = (0.5, 0.4, 0.4, 0.4, 0.4, 0.6, 0.5, 0.5)
    factors = [
        early_stopping.rate_factor(history(*scores[:n]), patience=2, factor=0.5)
        for n in range(len(scores) + 1)
    ]
    assert factors == [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]
    assert (
        early_stopping.rate_factor(history(1, 0), patience=0, factor=0.5) == 1
    )
