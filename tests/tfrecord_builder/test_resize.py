"""Resizing takes the mean of the covered area, exactly."""

import numpy as np
import pytest

from storage import UserError
from tfrecord_builder.records import resize


def test_no_spec_changes_nothing():
    images = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    assert resize.make_spec((3, 4), (3, 4)) is None
    assert resize.resize_images(images, None) is images


def test_halved():
    image = np.array([[1, 3, 10, 20], [5, 7, 30, 40]], np.uint8)
    spec = resize.make_spec((2, 4), (1, 2))
    assert spec == {"method": "area", "height": 1, "width": 2}
    assert resize.resize_images(image[None], spec).tolist() == [[[4, 25]]]


def test_fractions_of_pixels_are_weighed():
    """3 -> 2: each new pixel covers one and a half old ones."""
    image = np.array([[0, 90, 240]], np.uint8)
    spec = {"method": "area", "height": 1, "width": 2}
    assert resize.resize_images(image[None], spec).tolist() == [[[30, 190]]]


def test_halves_are_rounded_up():
    image = np.array([[0, 1, 2, 3]], np.uint8)
    spec = {"method": "area", "height": 1, "width": 2}
    assert resize.resize_images(image[None], spec).tolist() == [[[1, 3]]]


def test_doubled_repeats_pixels():
    image = np.array([[7, 255]], np.uint8)
    spec = {"method": "area", "height": 2, "width": 4}
    assert resize.resize_images(image[None], spec).tolist() == [
        [[7, 7, 255, 255], [7, 7, 255, 255]]
    ]


@pytest.mark.parametrize("size", [(64, 64), (137, 236), (100, 300)])
@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
def test_even_gray_stays(size, value):
    images = np.full((2, 137, 236), value, np.uint8)
    spec = {"method": "area", "height": size[0], "width": size[1]}
    resized = resize.resize_images(images, spec)
    assert resized.shape == (2, *size)
    assert (resized == value).all()


def test_an_image_does_not_depend_on_its_neighbours():
    images = np.random.default_rng(0).integers(0, 256, (5, 137, 236), np.uint8)
    spec = {"method": "area", "height": 50, "width": 77}
    together = resize.resize_images(images, spec)
    for image, expected in zip(images, together, strict=True):
        one = resize.resize_images(image[None], spec)[0]
        np.testing.assert_array_equal(one, expected)


def test_unknown_method():
    with pytest.raises(UserError, match="'cubic': expected 'area'"):
        resize.resize_images(
            np.zeros((1, 2, 2), np.uint8),
            {"method": "cubic", "height": 1, "width": 1},
        )
