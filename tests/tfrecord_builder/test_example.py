"""Our bytes are what TensorFlow's own classes write and read."""

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrecord_builder.records import example

LABELS = st.dictionaries(
    st.text(min_size=1, max_size=8).filter(
        lambda name: name not in example.RESERVED
    ),
    st.integers(0, 2**63 - 1),
    min_size=1,
    max_size=4,
)


@settings(deadline=None)
@given(
    st.text(max_size=200),
    LABELS,
    st.text(max_size=10),
    st.integers(0, 40_000).map(bytes),
)
def test_tensorflow_reads_what_we_write(image_id, labels, grapheme, image):
    record = example.serialize_example(
        image_id, list(labels), list(labels.values()), grapheme, image
    )
    features = tf.train.Example.FromString(record).features.feature
    assert features["image_id"].bytes_list.value[:] == [image_id.encode()]
    assert features["grapheme"].bytes_list.value[:] == [grapheme.encode()]
    assert features["image"].bytes_list.value[:] == [image]
    for name, label in labels.items():
        assert features[name].int64_list.value[:] == [label]
    assert len(features) == 3 + len(labels)
    assert record.endswith(image)
    assert example.read_example(record) == {
        "image_id": image_id.encode(),
        "grapheme": grapheme.encode(),
        "image": image,
        **labels,
    }


def test_the_bytes_of_a_record():
    """Part of the format: other bytes would be another dataset."""
    record = example.serialize_example("a", ["b"], [300], "c", b"xyz")
    assert record == (
        b"\n\x45"
        b"\n\x11\n\x08image_id\x12\x05\n\x03\n\x01a"
        b"\n\x0b\n\x01b\x12\x06\x1a\x04\n\x02\xac\x02"
        b"\n\x11\n\x08grapheme\x12\x05\n\x03\n\x01c"
        b"\n\x10\n\x05image\x12\x07\n\x05\n\x03xyz"
    )


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16383, 16384, 32332])
def test_a_header_is_all_but_the_image(size):
    keys = example.serialize_keys(["root"], [167], "ক")
    header = example.image_header("Train_0", keys, size)
    whole = example.serialize_example(
        "Train_0", ["root"], [167], "ক", b"7" * size
    )
    assert header + b"7" * size == whole


@pytest.mark.parametrize(
    "record", [b"", b"\n\x05", b"\n\x05hello", b"\x08\x01", b"\xff" * 20]
)
def test_other_bytes_are_no_example(record):
    with pytest.raises((ValueError, IndexError)):
        example.read_example(record)
