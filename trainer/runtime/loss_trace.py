"""The losses of a run: a row for each group of a few steps.

A row is [the first step, the number of steps, the sum of their losses, the
learning rate of the first step]. An epoch has about 50 rows.
"""

from collections.abc import Callable

_ROWS_PER_EPOCH = 50


def add(
    trace: list[list],
    loss: float,
    *,
    step: int,
    steps_per_epoch: int,
    rate_at: Callable[[int], float],
) -> None:
    """Adds a step to the trace, in the last or a new row.

    Args:
        trace: The rows; this list is changed.
        loss: The loss of the step.
        step: The step; it must follow the step that was added last.
        steps_per_epoch: Number of steps in an epoch.
        rate_at: Returns the learning rate of a step.
    """

    def row(step: int) -> tuple[int, int]:
        """Returns the epoch of a step, and its row's index in that epoch."""
        epoch, index = divmod(step, steps_per_epoch)
        return epoch, index * _ROWS_PER_EPOCH // steps_per_epoch

    if not trace or row(trace[-1][0]) != row(step):
        trace.append([step, 0, 0.0, float(rate_at(step))])
    trace[-1][1] += 1
    trace[-1][2] += loss
