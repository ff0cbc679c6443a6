"""Which weights an evaluated epoch leaves in the state of the run."""

import types

import numpy as np
import pytest
import tensorflow as tf

from trainer.evaluation.epoch_evaluation import EpochEvaluation
from trainer.runtime.run_state import RunState


def keep(scores, average_epochs):
    """Returns what is kept after each of a few epochs; weights are 1, 2, …

    Also that it is the mean of the epochs that are said to be kept.
    """
    weight = tf.Variable([0.0], name="kernel")
    state = RunState({}, steps_per_epoch=1)
    state.begin_leg(1, "none", {})
    kept = []
    for epoch, right in enumerate(scores, start=1):
        weight.assign([float(epoch)])
        labels = {"a": np.zeros(10, int)}
        logits = {"a": np.eye(2)[(np.arange(10) >= right).astype(int)]}
        evaluation = EpochEvaluation(
            lambda splits, on_batch, found=(labels, logits): found,
            splits={"validation": ("fold0",)},
            output_weights={"a": 1.0},
            epochs=len(scores),
            average_epochs=average_epochs,
        )
        assert evaluation.kept_epochs([]) == []
        evaluation.add_epoch(
            state,
            ema_core=types.SimpleNamespace(weights=[weight]),
            memory_mb=lambda: None,
            on_batch=lambda images: None,
        )
        (best,) = state.best.values()
        kept.append(float(best[0]))
        assert np.mean(evaluation.kept_epochs(state.history)) == kept[-1]
    assert [row["score"] for row in state.history] == [s / 10 for s in scores]
    return kept


@pytest.mark.parametrize(
    ("average_epochs", "kept"),
    [
        (0, [1, 2, 2, 2]),  # The best one, of equal ones the first.
        (2, [1, 2, 3, 3.5]),  # The mean of the last two.
        (4, [1, 1.5, 2, 2.5]),
        (9, [1, 1.5, 2, 2.5]),
    ],
)
def test_the_best_epoch_or_the_mean_of_the_last(average_epochs, kept):
    assert keep([5, 8, 3, 8], average_epochs) == kept
