"""What a GPU would run of a step, looked up in TensorFlow's registry."""

import backbone_names
import gpu_graphs
import pytest
import tensorflow as tf
import tiny_training

from trainer.models import backbones


def test_what_does_not_suit_is_seen():
    with tf.Graph().as_default() as graph, tf.device("/gpu:0"):
        numbers = tf.compat.v1.placeholder(tf.int32, [2, 64])
        tf.add(numbers, numbers, name="on_the_host")
        tf.strings.length(tf.strings.as_string(numbers))
        tf.nn.relu(tf.cast(numbers, tf.float32))
    found = gpu_graphs.look_at(graph.get_operations(), batch_size=2)
    assert found.on_host == ["AddV2 on_the_host (2, 64)"]
    assert found.without_kernel == {"AsString": 1, "StringLength": 1}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", backbone_names.cases(backbones.BACKBONES))
def test_the_step_stays_on_the_gpu(tiny_records, name):
    # What a T4 uses: more types have kernels for bfloat16 than for float16.
    policy = "mixed_float16" if name == "small" else "mixed_bfloat16"
    tiny = tiny_training.make(
        tiny_records,
        strategy=gpu_graphs.strategy(),
        backbone=name,
        policy=policy,
        size=(32, 32),
    )
    found = gpu_graphs.check(tiny)
    assert found.ops > 500
    assert found.without_kernel == {}
    assert found.on_host == []
