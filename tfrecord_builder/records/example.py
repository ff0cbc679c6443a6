"""THE record schema: writing and parsing of one tf.train.Example.

    image_id   bytes   the id's UTF-8
    <output>   int64   one label per label column, in the dataset's order
    grapheme   bytes   the text's UTF-8
    image      bytes   raw uint8, row-major, or a PNG; the record's last bytes

Features are in this order, with the image last. So everything before its first
pixel (`image_header`) depends only on ids and labels, and the offset of a
record in its shard is known before the pixels are read.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from tfrecord_builder.records.dataset_info import DatasetInfo

# Features that are not labels; no label column may have such a name.
RESERVED = ("image_id", "grapheme", "image")


def serialize_example(
    image_id: str,
    outputs: Sequence[str],
    labels: Sequence[int],
    grapheme: str,
    image: bytes,
) -> bytes:
    """Returns a serialized tf.train.Example; `image` is already encoded."""
    keys = serialize_keys(outputs, labels, grapheme)
    return image_header(image_id, keys, len(image)) + image


def serialize_keys(
    outputs: Sequence[str], labels: Sequence[int], grapheme: str
) -> bytes:
    """Returns the part of a record that all images of a grapheme share."""
    parts = [
        _feature(name, _field(3, _field(1, _varint(int(label)))))
        for name, label in zip(outputs, labels, strict=True)
    ]
    parts.append(_feature("grapheme", _bytes_list(grapheme.encode())))
    return b"".join(parts)


def image_header(image_id: str, keys: bytes, image_bytes: int) -> bytes:
    """Returns a record without its image of `image_bytes` bytes."""
    features = (
        _feature("image_id", _bytes_list(image_id.encode()))
        + keys
        + _image_start(image_bytes)
    )
    return _length(_tag(1), len(features) + image_bytes) + features


@functools.lru_cache(1024)
def _image_start(image_bytes: int) -> bytes:
    """Returns the entry "image" without its value of `image_bytes` bytes."""
    start = b""
    for number in (1, 1, 2):  # The value in a BytesList, Feature and entry.
        start = _length(_tag(number), len(start) + image_bytes) + start
    start = _field(1, b"image") + start
    return _length(_tag(1), len(start) + image_bytes) + start


def read_example(record: bytes) -> dict[str, bytes | int]:
    """Parses one record without TensorFlow.

    Raises:
        ValueError: It is not a record of `serialize_example`.
    """
    ((number, features),) = _fields(record)
    parsed = {}
    for _, entry in _fields(features):
        (_, name), (_, feature) = _fields(entry)
        ((kind, values),) = _fields(feature)
        ((_, value),) = _fields(values)
        parsed[name.decode()] = (
            _read_varint(value, 0)[0] if kind == 3 else value
        )
    if number != 1:
        raise ValueError(f"field {number} instead of the features")
    return parsed


def bytes_of(features: Mapping[str, bytes | int], name: str) -> bytes:
    """Returns the value of a bytes feature.

    Args:
        features: The result of `read_example`.
        name: The name of the feature.

    Raises:
        KeyError: There is no feature of that name.
        TypeError: The feature is a label.
    """
    value = features[name]
    if isinstance(value, int):
        raise TypeError(f"{name} is the number {value}, expected bytes")
    return value


def parse_examples(
    serialized: Any, *, info: DatasetInfo, with_keys: bool = False
) -> dict[str, Any]:
    """Parses a batch of records inside a TensorFlow graph.

    Args:
        serialized: [B] string tensor of records.
        info: The information of the dataset.
        with_keys: Whether to return `image_id` and `grapheme` as well.

    Returns:
        "image": [B, H, W, 1] uint8 in [0, 255]; each output's name: [B] int64;
        with keys "image_id" and "grapheme": [B] string.
    """
    # Imported here, because it takes 4 s and the builder does not use it.
    import tensorflow as tf

    schema = {"image": tf.io.FixedLenFeature([], tf.string)}
    for output in info.outputs:
        schema[output.name] = tf.io.FixedLenFeature([], tf.int64)
    if with_keys:
        schema["image_id"] = tf.io.FixedLenFeature([], tf.string)
        schema["grapheme"] = tf.io.FixedLenFeature([], tf.string)
    parsed = tf.io.parse_example(serialized, schema)
    shape = [info.image.height, info.image.width, 1]
    if info.image.encoding == "png":
        parsed["image"] = tf.map_fn(
            lambda png: tf.ensure_shape(
                tf.io.decode_png(png, channels=1), shape
            ),
            parsed["image"],
            fn_output_signature=tf.TensorSpec(shape, tf.uint8),
        )
    else:
        parsed["image"] = tf.reshape(
            tf.io.decode_raw(
                parsed["image"], tf.uint8, fixed_length=shape[0] * shape[1]
            ),
            [-1, *shape],
        )
    return parsed


# The wire format is written directly: the import of tensorflow takes 4 s, and
# generated classes would build every record twice in memory.
# https://protobuf.dev/programming-guides/encoding
_TAGS = [bytes([number << 3 | 2]) for number in range(4)]  # 2: with a length.


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    """Returns the number at `position` and the position after it."""
    value = shift = 0
    while True:
        value |= (data[position] & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if data[position - 1] < 0x80:
            return value, position


def _fields(data: bytes) -> list[tuple[int, bytes]]:
    """Returns (number, payload) of a message's length-delimited fields."""
    fields, position = [], 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        length, position = _read_varint(data, position)
        if tag & 7 != 2 or position + length > len(data):
            raise ValueError(f"tag {tag} of {length} bytes at byte {position}")
        fields.append((tag >> 3, data[position : position + length]))
        position += length
    return fields


def _tag(number: int) -> bytes:
    return _TAGS[number]


def _length(tag: bytes, length: int) -> bytes:
    return tag + _varint(length)


def _field(number: int, payload: bytes) -> bytes:
    return _tag(number) + _varint(len(payload)) + payload


def _bytes_list(value: bytes) -> bytes:
    return _field(1, _field(1, value))


def _feature(name: str, feature: bytes) -> bytes:
    """Returns an entry of Example.features.feature."""
    return _field(1, _field(1, name.encode()) + _field(2, feature))
