"""Bilinear sampling: two forms of one function."""

import numpy as np
import pytest
import tensorflow as tf

from trainer.augmentation import sampling


def random_points(count, height, width):
    """Returns images, and points in them and up to 2 pixels outside."""
    rng = np.random.default_rng(count)
    shape = (count, height, width)
    return (
        tf.constant(rng.random((*shape, 1)), tf.float32),
        tf.constant(rng.uniform(-2, height + 1, shape), tf.float32),
        tf.constant(rng.uniform(-2, width + 1, shape), tf.float32),
    )


def test_points_between_pixels_and_outside():
    images = tf.constant([[[1.0, 2.0], [3.0, 5.0]]])[..., None]
    y = tf.constant([[[0.0, 0.5], [0.25, -0.5]]])
    x = tf.constant([[[1.0, 0.0], [0.5, 1.0]]])
    for sample in (sampling.by_gathers, sampling.by_products):
        found = sample(images, y, x)[0, ..., 0]
        np.testing.assert_array_equal(found, [[2.0, 2.0], [2.125, 1.0]])


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("count", [16, 6, 5])  # Whole chunks, and smaller ones.
def test_both_forms_give_equal_images(count, jit):
    points = random_points(count, height=7, width=12)
    gathers, products = (
        tf.function(sample, jit_compile=jit)(*points)
        for sample in (sampling.by_gathers, sampling.by_products)
    )
    np.testing.assert_allclose(products, gathers, rtol=0, atol=1e-5)
    assert 0.2 < np.mean(gathers) < 0.5


def test_a_tpu_multiplies_and_others_gather():
    def ops(kind):
        graph = tf.function(sampling.choose(kind)).get_concrete_function(
            *random_points(8, height=4, width=4)
        )
        names = [node.op for node in graph.graph.as_graph_def().node]
        return {op for op in names if "Gather" in op or "While" in op}

    assert ops("cpu") == ops("gpu") == {"GatherV2"}
    assert ops("tpu") == {"StatelessWhile"}


def test_no_integers_are_computed():
    """TensorFlow computes a GPU's int32 numbers on the host."""
    graph = tf.function(sampling.by_gathers).get_concrete_function(
        *random_points(8, height=4, width=4)
    )
    found = {
        operation.type
        for operation in graph.graph.get_operations()
        for output in operation.outputs
        if output.dtype == tf.int32 and output.shape.num_elements() >= 8
    }
    assert found == {"Cast"}
