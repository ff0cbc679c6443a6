"""How many steps the host lets pass between two looks."""

from collections.abc import Iterable

_SECONDS = 1.0
_LONGEST = 200
_OF_WORKERS = 10


class LoopLength:
    """The steps of a loop: so many as asked for, or about a second's.

    Args:
        fixed: What was asked for; 0: a second's.
        workers: Processes that take the steps together. The clocks of several
            would not agree on a length, so theirs is constant.
    """

    def __init__(self, fixed: int, *, workers: int = 1) -> None:
        self._adapts = not fixed and workers == 1
        self._steps = fixed or (1 if self._adapts else _OF_WORKERS)

    def steps(self, first: int, *, every: int, cuts: Iterable[int]) -> int:
        """Returns how many steps the loop takes that begins at `first`.

        Args:
            first: A step.
            every: It ends at the next multiple of so many steps; 0: at none.
            cuts: It ends at the next of these steps.
        """
        ends = [first + self._steps, *(cut for cut in cuts if cut > first)]
        if every:
            ends.append((first // every + 1) * every)
        return min(ends) - first

    def adapt(self, seconds: float) -> None:
        """Comes nearer to a second's, at most doubled, after a loop."""
        if self._adapts:
            wanted = int(self._steps * _SECONDS / max(seconds, 1e-9))
            self._steps = max(1, min(wanted, 2 * self._steps, _LONGEST))
