"""Training streams over tiny records, read to the end."""

import numpy as np

from tfrecord_builder.records import dataset_info
from trainer.stream import input_pipeline
from trainer.stream.input_pipeline import TrainStream
from trainer.stream.order import Order

BATCH = 8


OUTPUTS = ("grapheme_root", "vowel_diacritic", "consonant_diacritic")


def make_stream(records, *, window_shards, seed=3):
    info = dataset_info.read(records)
    folds = ("fold1", "fold2")
    shards = [s for fold in folds for s in info.splits[fold].shards]
    return TrainStream(
        info=info,
        paths=input_pipeline.shard_paths(info, str(records), folds),
        order=Order(
            [s.records for s in shards],
            batch_size=BATCH,
            shards_per_window=window_shards,
            seed=seed,
        ),
        draws=3,
    )


def read(dataset):
    return [{k: v.numpy() for k, v in features.items()} for features in dataset]


def assert_same(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)
