"""The recipes that the builder is compared with, each as a separate process.

python benchmarks/builder_peers.py PEER PARQUET_FILE TRAIN_CSV OUTPUT
"""

import csv
import sys
from collections.abc import Iterable

import numpy as np


def read_floor(parquet: str, labels: str, output: str) -> int:
    """Reads all columns into one [N, H*W] uint8 array; builds nothing.

    Returns:
        The number of images, as all peers do.
    """
    return len(_read_matrix(parquet))


def write_floor(parquet: str, labels: str, output: str) -> int:
    """Reads like read_floor, and writes the array's bytes to a file."""
    matrix = _read_matrix(parquet)
    with open(output, "wb") as file:
        file.write(matrix.data)
    return len(matrix)


def png_recipe(parquet: str, labels: str, output: str) -> int:
    """Builds like most notebooks: pandas, a loop, encode_png, Example."""
    import pandas as pd
    import tensorflow as tf

    def bytes_feature(value: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    def int_feature(value: int) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    frame = pd.read_parquet(parquet)
    ids = frame["image_id"].to_numpy()
    pixels = frame.drop(columns="image_id").to_numpy()
    table = _read_labels(labels)
    with tf.io.TFRecordWriter(output) as writer:
        for image_id, row in zip(ids, pixels, strict=True):
            root, vowel, consonant = table[image_id]
            image = tf.io.encode_png(row.reshape(137, 236, 1))
            feature = {
                "image_id": bytes_feature(image_id.encode()),
                "image": bytes_feature(image.numpy()),
                "grapheme_root": int_feature(root),
                "vowel_diacritic": int_feature(vowel),
                "consonant_diacritic": int_feature(consonant),
            }
            example = tf.train.Example(
                features=tf.train.Features(feature=feature)
            )
            writer.write(example.SerializeToString())
    return len(ids)


def int64_recipe(parquet: str, labels: str, output: str) -> int:
    """Builds like a known TPU solution: pixels as an int64 list, GZIP."""
    import pandas as pd
    import tensorflow as tf

    def int_feature(values: Iterable[int]) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    frame = pd.read_parquet(parquet)
    ids = frame["image_id"].to_numpy()
    pixels = frame.drop(columns="image_id").to_numpy()
    table = _read_labels(labels)
    options = tf.io.TFRecordOptions(compression_type="GZIP")
    with tf.io.TFRecordWriter(output, options=options) as writer:
        for image_id, row in zip(ids, pixels, strict=True):
            root, vowel, consonant = table[image_id]
            feature = {
                "image": int_feature(row),
                "grapheme_root": int_feature([root]),
                "vowel_diacritic": int_feature([vowel]),
                "consonant_diacritic": int_feature([consonant]),
            }
            example = tf.train.Example(
                features=tf.train.Features(feature=feature)
            )
            writer.write(example.SerializeToString())
    return len(ids)


def _read_matrix(parquet: str) -> np.ndarray:
    import pyarrow.parquet as pq

    table = pq.ParquetFile(parquet).read().drop_columns(["image_id"])
    (batch,) = table.combine_chunks().to_batches()
    return batch.to_tensor(row_major=True).to_numpy()


def _read_labels(path: str) -> dict[str, list[int]]:
    with open(path, newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        next(rows)
        return {row[0]: [int(label) for label in row[1:4]] for row in rows}


PEERS = {
    peer.__name__: peer
    for peer in (read_floor, write_floor, png_recipe, int64_recipe)
}

if __name__ == "__main__":
    name, *paths = sys.argv[1:]
    print(PEERS[name](*paths), "images")
