"""The training stream and the evaluation stream, on real tiny records."""

import collections
import dataclasses
import os
import threading

import numpy as np
import pytest
import streams
import tensorflow as tf

from tfrecord_builder.records import dataset_info
from tfrecord_builder.records.dataset_info import Shard
from trainer.stream import eval_dataset, input_pipeline


def plain_records(records, paths):
    """Every record as its bytes say, without the project's parser."""
    schema = {
        "image_id": tf.io.FixedLenFeature([], tf.string),
        "image": tf.io.FixedLenFeature([], tf.string),
        **{o: tf.io.FixedLenFeature([], tf.int64) for o in streams.OUTPUTS},
    }
    examples = {}
    for raw in tf.data.TFRecordDataset(list(paths)):
        parsed = tf.io.parse_single_example(raw, schema)
        image = np.frombuffer(parsed["image"].numpy(), np.uint8)
        examples[parsed["image_id"].numpy()] = (
            image.reshape(12, 16, 1),
            [int(parsed[o]) for o in streams.OUTPUTS],
        )
    return examples


@pytest.mark.parametrize("window_shards", [1, 2, 99])
def test_every_example_is_the_record_it_names(tiny_records, window_shards):
    stream = streams.make_stream(tiny_records, window_shards=window_shards)
    expected = plain_records(tiny_records, stream.paths)
    spe = stream.order.steps_per_epoch
    assert spe == len(expected) // streams.BATCH
    batches = streams.read(stream.dataset(0, 2 * spe, with_keys=True))
    for epoch in range(2):
        seen = collections.Counter()
        for batch in batches[epoch * spe : (epoch + 1) * spe]:
            assert batch["image"].shape == (streams.BATCH, 12, 16, 1)
            assert batch["image"].dtype == np.uint8
            for i, image_id in enumerate(batch["image_id"]):
                image, labels = expected[image_id]
                np.testing.assert_array_equal(batch["image"][i], image)
                assert [batch[o][i] for o in streams.OUTPUTS] == labels
                seen[image_id] += 1
        assert set(seen.values()) == {1}
    orders = [
        [i for b in batches[e * spe : (e + 1) * spe] for i in b["image_id"]]
        for e in range(2)
    ]
    assert orders[0] != orders[1]


@pytest.mark.parametrize("window_shards", [1, 3, 99])
def test_a_resume_sees_what_the_whole_run_sees(tiny_records, window_shards):
    stream = streams.make_stream(tiny_records, window_shards=window_shards)
    last = 3 * stream.order.steps_per_epoch
    whole = streams.read(stream.dataset(0, last, with_keys=True))
    for start in (1, 4, stream.order.steps_per_epoch, last - 1):
        resumed = stream.dataset(
            start, last, with_keys=True, parallel_calls=start % 3 + 1
        )
        streams.assert_same(streams.read(resumed), whole[start:])


@pytest.mark.parametrize("window_shards", [1, 99])
def test_reading_begins_before_a_batch_is_asked_for(
    tiny_records, window_shards
):
    began = threading.Event()

    def fetch(paths):
        began.set()
        return [os.fsdecode(path) for path in paths]

    stream = streams.make_stream(tiny_records, window_shards=window_shards)
    expected = streams.read(stream.dataset(0, 2))
    iterator = iter(dataclasses.replace(stream, fetch=fetch).dataset(0, 2))
    assert began.wait(20)
    streams.assert_same(streams.read(iterator), expected)


def test_closing_a_stream_waits_for_no_tuning(tiny_records):
    """TensorFlow's tuning thread may sleep for a minute when it is closed."""
    stream = streams.make_stream(tiny_records, window_shards=2)
    evaluation = eval_dataset.make(
        stream.info, stream.paths, batch_size=streams.BATCH
    )
    for dataset in (stream.dataset(0, 2), evaluation):
        assert dataset.options().autotune.enabled is False


def test_replicas_and_workers_share_the_same_batches(tiny_records):
    stream = streams.make_stream(tiny_records, window_shards=2)
    whole = streams.read(stream.dataset(0, 6))
    shared = streams.read(stream.dataset(0, 6, replicas=4))
    joined = [
        {
            k: np.concatenate([p[k] for p in shared[i : i + 4]])
            for k in shared[0]
        }
        for i in range(0, 24, 4)
    ]
    streams.assert_same(joined, whole)
    workers = [
        streams.read(
            stream.dataset(0, 6, replicas=2, pipeline=w, num_pipelines=2)
        )
        for w in range(2)
    ]
    joined = [
        {k: np.concatenate([a[k], b[k]]) for k in a}
        for a, b in zip(*workers, strict=True)
    ]
    streams.assert_same(joined, whole)


def test_golden_draws():
    """Another number would be another augmentation of every run: a wider row
    moves all that follow, so that new draws need a table of their own."""
    draws = input_pipeline.step_draws(7, tf.constant(3, tf.int64), (2, 3))
    assert (draws * 2**23).numpy().tolist() == [
        [6480924, 4312289, 3459883],
        [1226764, 5570113, 512291],
    ]


def test_draws_differ_between_examples_steps_and_seeds(tiny_records):
    draws = [
        batch["draws"]
        for seed in (3, 4)
        for batch in streams.read(
            streams.make_stream(
                tiny_records, window_shards=2, seed=seed
            ).dataset(0, 2)
        )
    ]
    values = np.concatenate([d.ravel() for d in draws])
    assert draws[0].shape == (streams.BATCH, 3)
    assert 0 <= values.min() < values.max() < 1
    assert len(np.unique(values)) == values.size


def test_evaluation_reads_each_record_once_and_pads_the_last(tiny_records):
    info = dataset_info.read(tiny_records)
    paths = input_pipeline.shard_paths(info, str(tiny_records), ("fold0",))
    expected = plain_records(tiny_records, paths)
    batches = streams.read(
        eval_dataset.make(
            info, paths, batch_size=16, replicas=2, with_keys=True
        )
    )
    assert {b["image"].shape[0] for b in batches} == {8}
    ids = [i for b in batches for i in b["image_id"][b["valid"]]]
    assert ids == list(expected)
    assert sum(len(b["valid"]) for b in batches) == 32


def test_a_window_holds_what_fits():
    shards = [Shard("s", 1, n << 20, "") for n in (3, 5, 4)]
    fits = input_pipeline.shards_per_window
    assert fits(shards, window_mb=12) == 3
    assert fits(shards, window_mb=11) == 2
    assert fits(shards, window_mb=4) == 1
