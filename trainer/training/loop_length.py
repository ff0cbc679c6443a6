"""The number of steps in one call of the compiled loop."""

from collections.abc import Iterable

_SECONDS = 1.0
_LONGEST = 200
_OF_WORKERS = 10


class LoopLength:
    """The number of steps in a call: a fixed number, or about one second.

    Args:
        fixed: A fixed number of steps; 0: about one second.
        workers: Processes that train together. Their clocks would lead to
            different lengths, so with several workers the length is constant.
    """

    def __init__(self, fixed: int, *, workers: int = 1) -> None:
        self._adapts = not fixed and workers == 1
        self._steps = fixed or (1 if self._adapts else _OF_WORKERS)

    def steps(self, first: int, *, every: int, cuts: Iterable[int]) -> int:
        """Returns the number of steps of the call that begins at step `first`.

        Args:
            first: A step.
            every: The call ends at or before the next multiple of this many
                steps; 0: no such limit.
            cuts: The call ends at or before the next of these steps.
        """
        ends = [first + self._steps, *(cut for cut in cuts if cut > first)]
        if every:
            ends.append((first // every + 1) * every)
        return min(ends) - first

    def adapt(self, seconds: float) -> None:
        """Adapts the number to the seconds of a call; at most doubles it."""
        if self._adapts:
            wanted = int(self._steps * _SECONDS / max(seconds, 1e-9))
            self._steps = max(1, min(wanted, 2 * self._steps, _LONGEST))
