"""Logits of a split, where memory is too small for a batch."""

import numpy as np
import pytest
import small_memory
import tensorflow as tf
import tiny_training

from storage import UserError
from tfrecord_builder.records import dataset_info
from trainer.evaluation.split_predictor import SplitPredictor
from trainer.models.preprocessing import Preprocessing

SPLITS = ("fold0",)  # 20 images.


def predict(records, net, *, most=99):
    """Returns the logits, and what on_batch() was called with."""
    preprocess = Preprocessing(12, 16, crop=True)

    def greedy(images):
        """Has not the memory for more than `most` images."""
        # Known only when it runs, or TensorFlow would allocate it before.
        any_images = tf.reduce_min(tf.cast(images, tf.int32)) >= 0
        too_many = any_images & (tf.shape(images)[0] > most)
        return preprocess(images) + small_memory.allocate(too_many)

    predictor = SplitPredictor(
        tf.distribute.get_strategy(),
        net,
        preprocess=greedy,
        info=dataset_info.read(records),
        data_dir=str(records),
        batch_size=16,
    )
    counts = []
    labels, logits = predictor(SPLITS, on_batch=counts.append)
    return labels, logits, counts


def test_a_batch_too_large_for_memory_is_halved(tiny_records, caplog):
    net = tiny_training.make(tiny_records, backbone="tiny").step.ema_core
    labels, logits, counts = predict(tiny_records, net)
    assert counts == [16, 4]
    halved_labels, halved, counts = predict(tiny_records, net, most=5)
    assert counts == [0, 0, 4, 4, 4, 4, 4]
    for name, value in labels.items():
        np.testing.assert_array_equal(halved_labels[name], value)
        np.testing.assert_allclose(halved[name], logits[name], atol=1e-5)
    assert "16 images are predicted at a time: trying with 8" in caplog.text
    assert "8 images are predicted at a time: trying with 4" in caplog.text


def test_one_image_too_large_for_memory_is_one_line(tiny_records):
    net = tiny_training.make(tiny_records, backbone="tiny").step.ema_core
    with pytest.raises(UserError, match="1 images are predicted at a time"):
        predict(tiny_records, net, most=0)
