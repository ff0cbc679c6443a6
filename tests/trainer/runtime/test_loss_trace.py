"""The mean loss of an epoch, and the trace of losses, step by step."""

from trainer.runtime import loss_trace
from trainer.runtime.run_state import RunState


def count(state, losses, *, steps_per_epoch=100):
    for loss in losses:
        loss_trace.count_step(
            state,
            loss,
            steps_per_epoch=steps_per_epoch,
            rate_at=lambda step: step / 8,
        )


def test_a_row_holds_a_fiftieth_of_an_epoch():
    state = RunState({}, step=98)
    count(state, [4.0, 2.0, 1.0, 0.5, 0.25])
    assert state.step == 103
    assert state.loss_sum == 7.75
    # First step, steps, sum of losses, rate at the first step.
    assert state.trace == [
        [98, 2, 6.0, 12.25],
        [100, 2, 1.5, 12.5],
        [102, 1, 0.25, 12.75],
    ]


def test_a_short_epoch_has_a_row_a_step():
    state = RunState({})
    count(state, [3.0, 2.0, 1.0], steps_per_epoch=2)
    assert [row[:3] for row in state.trace] == [
        [0, 1, 3.0],
        [1, 1, 2.0],
        [2, 1, 1.0],
    ]


def test_the_mean_leaves_out_steps_that_were_passed_over():
    bad = [{"step": step, "passed_over": True} for step in (1, 5, 6, 9)]
    state = RunState({}, step=8, bad_steps=bad, loss_sum=6.0)
    state.history = [{"epoch": 1}]
    # Steps 4 to 7 but 5 and 6; 1 was of the epoch before, 9 is to come.
    assert loss_trace.mean(state, steps_per_epoch=4) == 3.0
