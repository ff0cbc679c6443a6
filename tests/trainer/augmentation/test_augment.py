"""Augmentation as a function of its drawn numbers."""

import numpy as np
import pytest
import tensorflow as tf

from storage import UserError
from trainer.augmentation import augment, masks
from trainer.augmentation.augment import Augmentation

OFF = {"rotation": 0, "scale": 0, "shift": 0, "shear": 0, "cutmix": 0}
STARTS = dict(
    zip(
        augment.COLUMNS,
        np.cumsum([0, *augment.COLUMNS.values()]),
        strict=False,
    )
)


def draws(count, **values):
    """Numbers that change nothing (0.5 is the middle), but for `values`."""
    table = np.full((count, augment.NUM_DRAWS), 0.5, np.float32)
    for name, value in values.items():
        start = STARTS[name]
        table[:, start : start + augment.COLUMNS[name]] = value
    return tf.constant(table)


def random_draws(count, seed=0):
    rows = np.random.default_rng(seed).random((count, augment.NUM_DRAWS))
    return tf.constant(rows, tf.float32)


def dots(count, height=9, width=11):
    images = np.zeros((count, height, width, 1), np.float32)
    images[:, 4, 5] = 1.0
    return images


def test_middle_draws_change_nothing():
    images = tf.random.stateless_uniform([4, 9, 11, 1], [1, 2])
    strong = Augmentation(
        rotation=40,
        scale=0.5,
        shift=0.4,
        shear=0.5,
        elastic=0.3,
        thickness=1.0,
        cutmix=0,
        mix_group=2,
    )
    changed, _ = strong(images, {}, draws(4))
    np.testing.assert_allclose(changed, images, atol=1e-6)


def test_shift_moves_by_the_fraction_drawn():
    shifted, _ = Augmentation(**OFF | {"shift": 0.5}, mix_group=2)(
        tf.constant(dots(1)),
        {},
        draws(1, shift_x=0.5 + 0.5 * 3 / 5.5, shift_y=0.5 - 0.5 * 2 / 4.5),
    )
    expected = np.zeros((9, 11))
    expected[2, 8] = 1.0
    np.testing.assert_allclose(shifted[0, ..., 0], expected, atol=1e-5)


def test_rotation_turns_about_the_centre():
    images = np.zeros((1, 9, 9, 1), np.float32)
    images[0, 4, 6:] = 1.0  # A stroke to the right of the centre.
    turned, _ = Augmentation(**OFF | {"rotation": 90}, mix_group=2)(
        tf.constant(images), {}, draws(1, rotation=np.float32(1.0))
    )
    expected = np.zeros((9, 9))
    expected[6:, 4] = 1.0
    np.testing.assert_allclose(turned[0, ..., 0], expected, atol=1e-4)


def test_what_leaves_the_image_is_paper():
    ones = tf.ones([1, 8, 8, 1])
    moved, _ = Augmentation(**OFF | {"shift": 1.0}, mix_group=2)(
        ones, {}, draws(1, shift_x=0.75)
    )
    np.testing.assert_allclose(moved[0, 0, :, 0], [0, 0, 0, 0, 1, 1, 1, 1])


@pytest.mark.parametrize("kind", ["cutmix", "fmix"])
def test_pasting_mixes_labels_as_it_mixes_pixels(kind):
    count, classes = 8, 8
    images = np.zeros((count, 16, 16, 1), np.float32)
    images += np.arange(count).reshape(-1, 1, 1, 1)
    labels = {"a": tf.eye(classes), "b": tf.eye(classes)[:, ::-1]}
    config = Augmentation(**OFF | {kind: 1.0}, mix_group=4)
    mixed, mixed_labels = config(
        tf.constant(images), labels, random_draws(count)
    )
    for i, image in enumerate(mixed.numpy()):
        values, counts = np.unique(image, return_counts=True)
        expected = np.zeros(classes)
        expected[values.astype(int)] = counts / image.size
        np.testing.assert_allclose(mixed_labels["a"][i], expected, atol=1e-6)
        np.testing.assert_allclose(
            mixed_labels["b"][i], expected[::-1], atol=1e-6
        )
        # Partners come from the example's own group, and are another one.
        assert {int(v) // 4 for v in values} == {i // 4}
    assert sum(len(np.unique(image)) == 2 for image in mixed.numpy()) >= 6


def test_mixup_blends_by_the_part_drawn():
    images = tf.reshape(tf.range(2.0), [2, 1, 1, 1]) * tf.ones([2, 4, 4, 1])
    config = Augmentation(**OFF | {"mixup": 1.0}, mix_group=2)
    mixed, labels = config(
        images, {"a": tf.eye(2)}, draws(2, mix_part=[[0.25], [0.0]])
    )
    np.testing.assert_allclose(mixed[:, 1, 2, 0], [0.25, 1.0])
    np.testing.assert_allclose(labels["a"], [[0.75, 0.25], [0, 1]])


def test_blobs_have_about_the_area_drawn_and_are_smooth():
    rng = np.random.default_rng(0)
    count = 400
    rows = tf.constant(rng.random((count, masks.COSINES**2)), tf.float32)
    area = tf.constant(rng.random(count), tf.float32)
    mask = masks.blobs(rows, area=area, height=32, width=48).numpy()
    error = mask.mean(axis=(1, 2, 3)) - area.numpy()
    assert abs(error.mean()) < 0.02
    assert np.abs(error).mean() < 0.08
    # Few neighbours differ: blobs, no noise.
    assert np.abs(np.diff(mask, axis=2)).mean() < 0.05


def test_a_probability_of_cutmix_leaves_the_others_alone():
    images = tf.random.stateless_uniform([4, 8, 8, 1], [0, 0])
    config = Augmentation(**OFF | {"cutmix": 0.3}, mix_group=4)
    mixed, labels = config(
        images,
        {"a": tf.eye(4)},
        draws(4, mix=np.array([0.1, 0.29, 0.31, 0.9])[:, None]),
    )
    same = [bool(np.all(mixed[i] == images[i])) for i in range(4)]
    assert same == [False, False, True, True]
    np.testing.assert_array_equal(labels["a"][2:], tf.eye(4)[2:])


def test_an_example_is_mixed_in_one_way_at_most():
    images = tf.random.stateless_uniform([4, 8, 8, 1], [0, 0])
    share = {"cutmix": 0.25, "mixup": 0.25, "fmix": 0.25}
    rows = random_draws(4).numpy()
    rows[:, STARTS["mix"]] = [0.1, 0.3, 0.6, 0.9]
    labels = {"a": tf.eye(4)}
    together, _ = Augmentation(**OFF | share, mix_group=4)(
        images, labels, tf.constant(rows)
    )
    rows[:, STARTS["mix"]] = 0.0
    for i, kind in enumerate(share):
        alone, _ = Augmentation(**OFF | {kind: 1.0}, mix_group=4)(
            images, labels, tf.constant(rows)
        )
        np.testing.assert_allclose(together[i], alone[i], atol=1e-6)
    np.testing.assert_array_equal(together[3], images[3])
    with pytest.raises(UserError, match="sum to 1.1"):
        Augmentation(cutmix=0.5, mixup=0.4, fmix=0.2, mix_group=8)


def test_nothing_is_mixed_in_the_cool_down():
    images = tf.random.stateless_uniform([4, 8, 8, 1], [0, 0])
    config = Augmentation(
        **OFF | {"cutmix": 0.5, "mixup": 0.5}, mix_group=4, mix_steps=7
    )
    for step, same in ((6, False), (7, True), (8, True)):
        mixed, labels = config(
            images,
            {"a": tf.eye(4)},
            random_draws(4),
            tf.constant(step, tf.int64),
        )
        assert bool(np.all(mixed == images)) == same
        assert bool(np.all(labels["a"] == tf.eye(4))) == same


def test_elastic_moves_by_its_root_mean_square():
    """Each pixel of a ramp tells how far it was moved."""
    height, width = 40, 60
    ramp = np.tile(np.arange(width, dtype=np.float32), (64, height, 1))
    config = Augmentation(**OFF | {"elastic": 0.02}, mix_group=2)
    moved, _ = config(tf.constant(ramp[..., None]), {}, random_draws(64))
    inner = (moved - ramp[..., None]).numpy()[:, 8:-8, 8:-8]
    assert np.sqrt(np.mean(inner**2)) == pytest.approx(0.02 * width, rel=0.25)
    # Smooth: neighbours move together.
    assert np.abs(np.diff(inner, axis=1)).max() < 0.5


def test_thickness_dilates_and_erodes():
    images = np.zeros((3, 7, 7, 1), np.float32)
    images[:, 2:5, 2:5] = 0.8
    config = Augmentation(**OFF | {"thickness": 1.0}, mix_group=2)
    rows = draws(3, thickness=[[1.0], [0.0], [0.75]])
    thick, thin, half = config(tf.constant(images), {}, rows)[0][..., 0]
    expected = np.zeros((7, 7))
    expected[1:6, 1:6] = 0.8
    np.testing.assert_allclose(thick, expected, atol=1e-6)
    np.testing.assert_allclose(half, (expected + images[2, ..., 0]) / 2)
    expected = np.zeros((7, 7))
    expected[3, 3] = 0.8
    np.testing.assert_allclose(thin, expected, atol=1e-6)


def test_erasing_wipes_the_box_drawn():
    ones = tf.ones([2, 8, 16, 1])
    config = Augmentation(**OFF | {"erasing": 0.5}, mix_group=2)
    rows = draws(2, erase=[[0.4], [0.6]], erase_area=0.25)
    erased, _ = config(ones, {}, rows)
    expected = np.ones((8, 16))
    expected[3:5, 6:10] = 0  # A quarter of each side.
    np.testing.assert_array_equal(erased[0, ..., 0], expected)
    np.testing.assert_array_equal(erased[1], ones[1])


def test_gridmask_wipes_a_quarter_out():
    ones = tf.ones([2, 20, 40, 1])
    config = Augmentation(**OFF | {"gridmask": 0.5}, mix_group=2)
    rows = draws(2, grid=[[0.4], [0.6]], grid_period=0, grid_y=0, grid_x=0)
    erased, _ = config(ones, {}, rows)
    square = np.array([[0, 0, 1, 1]] * 2 + [[1, 1, 1, 1]] * 2)
    np.testing.assert_array_equal(erased[0, ..., 0], np.tile(square, (5, 10)))
    np.testing.assert_array_equal(erased[1], ones[1])


EVERYTHING = Augmentation(
    rotation=8.0,
    scale=0.12,
    shift=0.06,
    shear=0.15,
    mix_group=8,
    elastic=0.03,
    thickness=0.5,
    erasing=0.3,
    gridmask=0.3,
    cutmix=0.3,
    mixup=0.3,
    fmix=0.3,
    mix_steps=5,
)


@pytest.mark.parametrize("jit", [False, True])
def test_rows_do_not_depend_on_each_others_replica(jit):
    """A replica's share is augmented as it is within the whole batch."""
    images = tf.random.stateless_uniform([16, 10, 12, 1], [5, 6])
    labels = {"a": tf.one_hot(tf.range(16) % 3, 3)}
    rows = random_draws(16)
    config = tf.function(EVERYTHING.__call__, jit_compile=jit)
    step = tf.constant(4, tf.int64)
    whole, whole_labels = config(images, labels, rows, step)
    for part in (slice(0, 8), slice(8, 16)):
        share, share_labels = config(
            images[part], {"a": labels["a"][part]}, rows[part], step
        )
        np.testing.assert_allclose(share, whole[part], atol=1e-5)
        np.testing.assert_allclose(share_labels["a"], whole_labels["a"][part])
