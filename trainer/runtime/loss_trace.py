"""The losses of the steps: their mean over the epoch, and a trace of them."""

from collections.abc import Callable

from trainer.runtime.run_state import RunState

_ROWS_PER_EPOCH = 50


def count_step(
    state: RunState,
    loss: float,
    *,
    steps_per_epoch: int,
    rate_at: Callable[[int], float],
) -> None:
    """Counts the step that the state is at.

    Args:
        state: The run; its step, loss sum and trace change.
        loss: Of that step.
        steps_per_epoch: Steps.
        rate_at: Returns the learning rate of a step.
    """

    def row_of(step):
        epoch, place = divmod(step, steps_per_epoch)
        return epoch, place * _ROWS_PER_EPOCH // steps_per_epoch

    trace = state.trace
    if not trace or row_of(trace[-1][0]) != row_of(state.step):
        trace.append([state.step, 0, 0.0, float(rate_at(state.step))])
    trace[-1][1] += 1
    trace[-1][2] += loss
    state.loss_sum += loss
    state.step += 1


def mean(state: RunState, *, steps_per_epoch: int) -> float:
    """Returns the mean loss of the steps of the epoch under way."""
    first = len(state.history) * steps_per_epoch
    passed = sum(first <= step < state.step for step in state.passed_over)
    return state.loss_sum / max(1, state.step - first - passed)
