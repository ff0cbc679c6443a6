"""Records and pipelines that the input pipeline is compared with.

png records    one Example per image with an encoded PNG, as notebooks write
int64 records  one Example per image with its pixels as an int64 list, GZIP,
               as a known TPU solution writes
"""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tfrecord_builder.records import example
from tfrecord_builder.records.dataset_info import DatasetInfo
from trainer.stream import eval_dataset

_SHUFFLE = 2048


def transcode_to_png(
    info: DatasetInfo,
    paths: tuple[str, ...],
    folder: pathlib.Path,
) -> tuple[DatasetInfo, tuple[str, ...]]:
    """Writes raw shards again as PNG; returns their information and paths."""
    names = [output.name for output in info.outputs]
    written = []
    for index, path in enumerate(paths):
        written.append(str(folder / f"png-{index:05d}.tfrecord"))
        with tf.io.TFRecordWriter(written[-1]) as writer:
            for features in _examples(info, path):
                record = example.serialize_example(
                    features["image_id"].decode(),
                    names,
                    [features[name] for name in names],
                    features["grapheme"].decode(),
                    tf.io.encode_png(features["image"]).numpy(),
                )
                writer.write(record)
    image = dataclasses.replace(info.image, encoding="png", encoder="any")
    return dataclasses.replace(info, image=image), tuple(written)


def transcode_to_int64(
    info: DatasetInfo,
    paths: tuple[str, ...],
    folder: pathlib.Path,
) -> tuple[str, ...]:
    """Writes raw shards again with pixels as int64 lists, compressed."""
    written = []
    for index, path in enumerate(paths):
        written.append(str(folder / f"int64-{index:05d}.tfrecord"))
        with tf.io.TFRecordWriter(written[-1], options="GZIP") as writer:
            for features in _examples(info, path):
                values = {"image": features["image"].ravel()}
                for output in info.outputs:
                    values[output.name] = [features[output.name]]
                record = tf.train.Example(
                    features=tf.train.Features(
                        feature={
                            name: tf.train.Feature(
                                int64_list=tf.train.Int64List(value=value)
                            )
                            for name, value in values.items()
                        }
                    )
                )
                writer.write(record.SerializeToString())
    return tuple(written)


def common_pipeline(
    info: DatasetInfo, paths: tuple[str, ...], batch_size: int
) -> tf.data.Dataset:
    """Returns the pipeline of TensorFlow's guides for PNG records."""
    schema = {"image": tf.io.FixedLenFeature([], tf.string)}
    shape = [info.image.height, info.image.width, 1]

    def parse(record: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_single_example(record, schema | _labels(info))
        image = tf.io.decode_png(parsed["image"], channels=1)
        return parsed | {"image": tf.ensure_shape(image, shape)}

    return _finish(tf.data.TFRecordDataset(list(paths)), parse, batch_size)


def int64_pipeline(
    info: DatasetInfo, paths: tuple[str, ...], batch_size: int
) -> tf.data.Dataset:
    """Returns the same pipeline for int64 lists in GZIP records."""
    shape = [info.image.height, info.image.width, 1]
    schema = {"image": tf.io.FixedLenFeature(shape, tf.int64)}

    def parse(record: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_single_example(record, schema | _labels(info))
        return parsed | {"image": tf.cast(parsed["image"], tf.uint8)}

    records = tf.data.TFRecordDataset(list(paths), compression_type="GZIP")
    return _finish(records, parse, batch_size)


def _finish(
    records: tf.data.Dataset,
    parse: Callable[[tf.Tensor], dict[str, tf.Tensor]],
    batch_size: int,
) -> tf.data.Dataset:
    return (
        records.map(parse, num_parallel_calls=tf.data.AUTOTUNE)
        .shuffle(_SHUFFLE)
        .batch(batch_size, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def _labels(info: DatasetInfo) -> dict[str, tf.io.FixedLenFeature]:
    return {o.name: tf.io.FixedLenFeature([], tf.int64) for o in info.outputs}


def _examples(info: DatasetInfo, path: str) -> Iterator[dict[str, Any]]:
    """Yields the examples of a shard as dicts of numpy values."""
    dataset = eval_dataset.make(info, (path,), batch_size=1, with_keys=True)
    for batch in dataset.as_numpy_iterator():
        yield {name: np.asarray(value)[0] for name, value in batch.items()}
