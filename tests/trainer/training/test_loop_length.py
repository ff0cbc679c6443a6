"""Where a loop of steps ends, and how long it takes."""

import pytest

from trainer.training.loop_length import LoopLength


@pytest.mark.parametrize(
    ("first", "every", "cuts", "expected"),
    [
        (0, 0, [], 10),
        (7, 4, [], 1),
        (8, 4, [], 4),  # Not the multiple it begins at.
        (5, 0, [5, 3, 12, 9], 4),
        (5, 7, [30], 2),
    ],
)
def test_a_loop_ends_at_the_next_cut(first, every, cuts, expected):
    length = LoopLength(10)
    assert length.steps(first, every=every, cuts=cuts) == expected


def test_a_length_comes_nearer_to_a_second():
    length = LoopLength(0)
    found = []
    for seconds in (0.1, 0.1, 0.1, 4.0, 900.0):
        found.append(length.steps(0, every=0, cuts=[]))
        length.adapt(seconds)
    assert found == [1, 2, 4, 8, 2]
    assert length.steps(0, every=0, cuts=[]) == 1


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (LoopLength(3), 3),
        (LoopLength(3, workers=2), 3),
        (LoopLength(0, workers=2), 10),
    ],
)
def test_a_length_that_is_fixed_stays(length, expected):
    length.adapt(0.001)
    assert length.steps(0, every=0, cuts=[]) == expected
