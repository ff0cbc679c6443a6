"""When a history ends the run, from the history alone."""

import pytest

from trainer.training import early_stopping


def history(*scores):
    return [{"score": s, "loss": 1.0} for s in scores]


@pytest.mark.parametrize(
    ("scores", "patience", "over"),
    [
        ((), 2, False),
        ((0.5, 0.4), 2, False),
        ((0.5, 0.4, 0.3), 2, True),
        ((0.5, 0.4, 0.5), 2, True),  # As good is no gain.
        ((0.5, 0.4, 0.3), 0, False),
        ((0.5, 0.4, 0.6), 2, False),
        ((0.5, 0.4, 0.6, 0.1), 2, False),
    ],
)
def test_is_over(scores, patience, over):
    assert early_stopping.is_over(history(*scores), patience=patience) is over


def test_without_a_score_the_lowest_loss_is_the_best():
    rows = [{"score": None, "loss": x} for x in (3.0, 2.0, 2.5, 2.25)]
    assert early_stopping.is_over(rows, patience=2)
    assert not early_stopping.is_over(rows, patience=3)
