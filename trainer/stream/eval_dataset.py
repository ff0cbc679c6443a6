"""Reads records into batches: the evaluation stream."""

import tensorflow as tf

from tfrecord_builder.records import example
from tfrecord_builder.records.dataset_info import DatasetInfo
from trainer.stream import input_pipeline, window_reader


@tf.autograph.experimental.do_not_convert
def make(
    info: DatasetInfo,
    paths: tuple[str, ...],
    *,
    batch_size: int,
    replicas: int = 1,
    pipeline: int = 0,
    num_pipelines: int = 1,
    with_keys: bool = False,
) -> tf.data.Dataset:
    """Returns every record of `paths` once, in order, in equal batches.

    Args:
        info: The dataset.
        paths: Shard files.
        batch_size: Global batch size; the last batch is padded to it with
            copies of its first record.
        replicas: Number of replicas; each element is one replica's share.
        pipeline: Which of `num_pipelines` parts of each batch to return.
        num_pipelines: Number of parts that a global batch is split into.
        with_keys: Whether to add "image_id" and "grapheme".

    Returns:
        A dataset of dicts like those of TrainStream, without "draws" and
        "batch_index", and with "valid" [P] bool, which is False for padding.
    """
    size = batch_size // num_pipelines
    start = pipeline * size

    def finish(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        count = tf.shape(serialized)[0]
        index = tf.range(batch_size)
        valid = index < count
        index = tf.where(valid, index, 0)[start : start + size]
        features = example.parse_examples(
            tf.gather(serialized, index), info=info, with_keys=with_keys
        )
        return dict(features, valid=valid[start : start + size])

    dataset = (
        tf.data.TFRecordDataset(
            list(paths), buffer_size=window_reader.READ_BUFFER
        )
        .batch(batch_size)
        .map(finish, num_parallel_calls=tf.data.AUTOTUNE)
    )
    if replicas > num_pipelines:
        dataset = dataset.rebatch(batch_size // replicas)
    return input_pipeline.read_ahead(dataset)
