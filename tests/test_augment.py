"""Augmentation as a function of its drawn numbers."""

import numpy as np
import pytest
import tensorflow as tf

from trainer import augment

OFF = {"rotation": 0, "scale": 0, "shift": 0, "shear": 0, "cutmix": 0}


def draws(count, **values):
    """Numbers that change nothing (0.5 is the middle), but for `values`."""
    table = np.full((count, len(augment.DRAWS)), 0.5, np.float32)
    for name, value in values.items():
        table[:, augment.DRAWS.index(name)] = value
    return tf.constant(table)


def blobs(count, height=9, width=11):
    images = np.zeros((count, height, width, 1), np.float32)
    images[:, 4, 5] = 1.0
    return images


def test_middle_draws_change_nothing():
    images = tf.random.stateless_uniform([4, 9, 11, 1], [1, 2])
    strong = augment.Augmentation(
        rotation=40, scale=0.5, shift=0.4, shear=0.5, cutmix=0, mix_group=2
    )
    changed, _ = strong(images, {}, draws(4))
    np.testing.assert_allclose(changed, images, atol=1e-6)


def test_shift_moves_by_the_fraction_drawn():
    shifted, _ = augment.Augmentation(**OFF | {"shift": 0.5}, mix_group=2)(
        tf.constant(blobs(1)),
        {},
        draws(1, shift_x=0.5 + 0.5 * 3 / 5.5, shift_y=0.5 - 0.5 * 2 / 4.5),
    )
    expected = np.zeros((9, 11))
    expected[2, 8] = 1.0
    np.testing.assert_allclose(shifted[0, ..., 0], expected, atol=1e-5)


def test_rotation_turns_about_the_centre():
    images = np.zeros((1, 9, 9, 1), np.float32)
    images[0, 4, 6:] = 1.0  # A stroke to the right of the centre.
    turned, _ = augment.Augmentation(**OFF | {"rotation": 90}, mix_group=2)(
        tf.constant(images), {}, draws(1, rotation=np.float32(1.0))
    )
    expected = np.zeros((9, 9))
    expected[6:, 4] = 1.0
    np.testing.assert_allclose(turned[0, ..., 0], expected, atol=1e-4)


def test_what_leaves_the_image_is_paper():
    ones = tf.ones([1, 8, 8, 1])
    moved, _ = augment.Augmentation(**OFF | {"shift": 1.0}, mix_group=2)(
        ones, {}, draws(1, shift_x=0.75)
    )
    np.testing.assert_allclose(moved[0, 0, :, 0], [0, 0, 0, 0, 1, 1, 1, 1])


def test_cutmix_mixes_labels_as_it_mixes_pixels():
    count, classes = 8, 8
    images = np.zeros((count, 16, 16, 1), np.float32)
    images += np.arange(count).reshape(-1, 1, 1, 1)
    labels = {"a": tf.eye(classes), "b": tf.eye(classes)[:, ::-1]}
    config = augment.Augmentation(**OFF | {"cutmix": 1.0}, mix_group=4)
    rows = np.random.default_rng(0).random((count, len(augment.DRAWS)))
    mixed, mixed_labels = config(
        tf.constant(images), labels, tf.constant(rows, tf.float32)
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


def test_a_probability_of_cutmix_leaves_the_others_alone():
    images = tf.random.stateless_uniform([4, 8, 8, 1], [0, 0])
    config = augment.Augmentation(**OFF | {"cutmix": 0.3}, mix_group=4)
    mixed, labels = config(
        images, {"a": tf.eye(4)}, draws(4, mix=[0.1, 0.29, 0.31, 0.9])
    )
    same = [bool(np.all(mixed[i] == images[i])) for i in range(4)]
    assert same == [False, False, True, True]
    np.testing.assert_array_equal(labels["a"][2:], tf.eye(4)[2:])


@pytest.mark.parametrize("jit", [False, True])
def test_rows_do_not_depend_on_each_others_replica(jit):
    """A replica's share is augmented as it is within the whole batch."""
    images = tf.random.stateless_uniform([16, 10, 12, 1], [5, 6])
    labels = {"a": tf.one_hot(tf.range(16) % 3, 3)}
    rows = tf.random.stateless_uniform([16, len(augment.DRAWS)], [7, 8])
    config = tf.function(augment.Augmentation().__call__, jit_compile=jit)
    whole, whole_labels = config(images, labels, rows)
    for part in (slice(0, 8), slice(8, 16)):
        share, share_labels = config(
            images[part], {"a": labels["a"][part]}, rows[part]
        )
        np.testing.assert_allclose(share, whole[part], atol=1e-6)
        np.testing.assert_allclose(share_labels["a"], whole_labels["a"][part])
