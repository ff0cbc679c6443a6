"""The builder's real command on tiny data, read back by plain TensorFlow."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tiny_data

from tfrecord_builder.records import dataset_info, example


def read_plainly(records: pathlib.Path, outputs) -> dict[str, list[dict]]:
    """Returns each shard's records, parsed without our own parser."""
    schema = {
        "image_id": tf.io.FixedLenFeature([], tf.string),
        "image": tf.io.FixedLenFeature([], tf.string),
        "grapheme": tf.io.FixedLenFeature([], tf.string),
        **{name: tf.io.FixedLenFeature([], tf.int64) for name in outputs},
    }
    return {
        path.name: [
            {
                k: v.numpy()
                for k, v in tf.io.parse_single_example(r, schema).items()
            }
            for r in tf.data.TFRecordDataset(str(path))
        ]
        for path in sorted(pathlib.Path(records).glob("*.tfrecord"))
    }


def check_records(records, dataset, outputs=None) -> None:
    """Checks that the records hold just the images of `dataset`."""
    ids, images, labels, graphemes = dataset
    outputs = list(outputs or tiny_data.OUTPUTS)
    index = {i.encode(): k for k, i in enumerate(ids)}
    built = [r for s in read_plainly(records, outputs).values() for r in s]
    assert sorted(r["image_id"] for r in built) == sorted(index)
    for record in built:
        k = index[record["image_id"]]
        image = record["image"]
        if image.startswith(b"\x89PNG"):
            image = tf.io.decode_png(image).numpy().tobytes()
        assert image == images[k].tobytes()
        assert [record[name] for name in outputs] == labels[k].tolist()
        assert record["grapheme"].decode() == graphemes[k]


@pytest.mark.parametrize("encoding", ["raw", "png"])
def test_records_hold_every_image_once(tmp_path, encoding):
    dataset = tiny_data.write_dataset(tmp_path / "in", row_group_size=7)
    records = tiny_data.build_records(
        tmp_path / "in", tmp_path / "out", f"--image_encoding={encoding}"
    )
    check_records(records, dataset)
    info = dataset_info.read(records)
    assert [split.records for split in info.splits.values()] == [20, 20, 20]
    assert info.image.encoding == encoding


@pytest.mark.parametrize("encoding", ["raw", "png"])
def test_parse_examples(tmp_path, encoding):
    ids, images, labels, graphemes = tiny_data.write_dataset(tmp_path / "in")
    records = tiny_data.build_records(
        tmp_path / "in", tmp_path / "out", f"--image_encoding={encoding}"
    )
    info = dataset_info.read(records)
    shards = [str(records / s.name) for s in info.splits["fold1"].shards]
    batch = next(iter(tf.data.TFRecordDataset(shards).batch(20)))
    parsed = tf.function(
        lambda b: example.parse_examples(b, info=info, with_keys=True)
    )(batch)
    order = [ids.index(i.decode()) for i in parsed["image_id"].numpy()]
    assert len(order) == 20
    np.testing.assert_array_equal(
        parsed["image"].numpy(), images[order][..., None]
    )
    for k, name in enumerate(tiny_data.OUTPUTS):
        np.testing.assert_array_equal(parsed[name].numpy(), labels[order, k])
    assert [g.decode() for g in parsed["grapheme"].numpy()] == [
        graphemes[i] for i in order
    ]
