"""Caches of the shards of tiny records."""

import os

from tfrecord_builder.records import dataset_info
from trainer.stream.shard_cache import Dataset, ShardCache


def make(*folders, cache_dir):
    """Returns a cache of datasets, which need not be whole."""
    datasets = []
    for folder in folders:
        text = (folder / dataset_info.NAME).read_text("utf-8")
        info = dataset_info.from_json(text)
        datasets.append(Dataset(info, str(folder), tuple(info.splits)))
    return ShardCache(datasets, cache_dir=str(cache_dir))


def fetch(cache, paths):
    """Returns the real paths of the files that a cache returns."""
    return list(map(os.path.realpath, cache.fetch(paths)))


def shards(records):
    return sorted(str(path) for path in records.glob("*.tfrecord"))
