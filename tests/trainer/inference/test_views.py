"""Tests for trainer/inference/views.py: the views that --tta averages."""

import numpy as np
import pytest

from trainer.inference import views


def test_first_view_is_the_image_and_more_keep_the_earlier_ones():
    rows, columns = views.make_matrices(1, 5, 7)
    np.testing.assert_array_equal(rows, np.eye(5, dtype=np.float32)[None])
    np.testing.assert_array_equal(columns, np.eye(7, dtype=np.float32)[None])
    few, many = views.make_matrices(3, 5, 7), views.make_matrices(9, 5, 7)
    for three, nine in zip(few, many, strict=True):
        np.testing.assert_array_equal(three, nine[:3])


@pytest.mark.parametrize("size", [64, 65])
def test_views_shift_and_scale_within_their_bounds(size):
    rows, columns = views.make_matrices(16, size, size)
    position = np.arange(size)
    scales, shifts = [], []
    for matrix in (*rows, *columns):
        # Where the middle half of the view comes from, a straight line.
        middle = slice(size // 4, -size // 4)
        source = (matrix @ position)[middle] / matrix.sum(axis=1)[middle]
        slope, _ = np.polyfit(position[middle], source, 1)
        scales.append(1 / slope)
        shifts.append((position[middle] - source).mean() / size)
    assert np.abs(np.array(scales) - 1).max() <= 0.061
    assert np.ptp(scales) > 0.1
    assert np.abs(shifts).max() <= 0.041
    assert np.ptp(shifts) > 0.06


def test_what_comes_in_from_outside_is_paper():
    rows, _ = views.make_matrices(16, 64, 64)
    ink = np.ones((64, 64), np.float32)
    assert min((matrix @ ink)[[0, -1]].min() for matrix in rows) == 0
    assert max((matrix @ ink).max() for matrix in rows) < 1.07
