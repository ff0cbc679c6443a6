"""The mean loss of an epoch, the trace of losses, and the rows of the legs."""

from trainer.runtime.run_state import RunState


def count(state, losses):
    state.count_loop(
        losses,
        images=8 * len(losses),
        seconds=2.0,
        input_seconds=0.5,
        rate_at=lambda step: step / 8,
    )


def begin(**values):
    state = RunState({}, age=lambda: 9.0, **values)
    state.begin_leg(3, "a test", {"xla": None})
    return state


def test_a_row_of_the_trace_holds_a_fiftieth_of_an_epoch():
    state = begin(steps_per_epoch=100, step=98)
    count(state, [4.0, 2.0, 1.0])
    count(state, [0.5, 0.25])
    assert state.step == 103
    assert state.loss_sum == 7.75
    # First step, steps, sum of losses, rate at the first step.
    assert state.trace == [
        [98, 2, 6.0, 12.25],
        [100, 2, 1.5, 12.5],
        [102, 1, 0.25, 12.75],
    ]


def test_a_short_epoch_has_a_row_a_step():
    state = begin(steps_per_epoch=2)
    count(state, [3.0, 2.0, 1.0])
    assert [row[:3] for row in state.trace] == [
        [0, 1, 3.0],
        [1, 1, 2.0],
        [2, 1, 1.0],
    ]


def test_the_mean_leaves_out_steps_that_were_skipped():
    bad = [{"step": step, "passed_over": True} for step in (1, 5, 6, 9)]
    state = begin(steps_per_epoch=4, step=8, bad_steps=bad, loss_sum=6.0)
    state.history = [{"epoch": 1}]
    # Steps 4 to 7 but 5 and 6; 1 was of the epoch before, 9 is to come.
    assert state.mean_loss == 3.0
    assert (state.epoch, state.epoch_end) == (1, 8)


def test_the_first_loop_of_a_leg_counts_for_no_rate():
    state = begin(steps_per_epoch=9, step=4)
    count(state, [1.0, 1.0])
    assert state.current_leg["first_loop_seconds"] == 2.0
    assert state.current_leg["seconds_to_first_loop"] == 9.0
    assert state.current_leg["images"] == 0
    count(state, [1.0])
    leg = state.current_leg
    assert (leg["leg"], leg["first_step"], leg["last_step"]) == (3, 4, 7)
    assert (leg["images"], leg["seconds"], leg["input_seconds"]) == (8, 2, 0.5)


def test_an_epoch_that_ends_keeps_the_best_weights_of_before():
    state = begin(steps_per_epoch=2)
    count(state, [1.0, 3.0])
    state.end_epoch({"epoch": 1}, speed={"epoch": 1}, best={"a": 1})
    assert (state.history, state.best) == ([{"epoch": 1}], {"a": 1})
    assert state.loss_sum == 0.0
    state.end_epoch({"epoch": 2}, speed={"epoch": 2}, best=None)
    assert state.best == {"a": 1}
    assert len(state.speed) == state.epoch == 2


def test_a_bad_step_is_noted_once_and_outlives_a_restore():
    state = begin(steps_per_epoch=9, step=4)
    state.add_bad_step(loss=float("nan"), image_ids=["a"], skip=False)
    state.add_bad_step(loss=float("inf"), image_ids=["a"], skip=True)
    assert state.bad_steps == [
        {"step": 4, "loss": "inf", "image_ids": ["a"], "passed_over": True}
    ]
    with state.keeping_legs():
        state.legs, state.bad_steps, state.step = [], [], 2
    assert state.skipped_steps == [4]
    assert (state.leg, state.step) == (3, 2)
