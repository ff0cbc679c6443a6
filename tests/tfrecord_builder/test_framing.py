"""The framing is TensorFlow's, and damage anywhere is found."""

import os

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrecord_builder.records import framing


def join(header, image) -> bytes:
    return b"".join(bytes(part) for part in framing.frame(header, image))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.binary(max_size=50), st.binary(max_size=5000))))
def test_tensorflow_writes_the_same_file(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("writer") / "a.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as sink:
        for header, image in records:
            sink.write(header + image)
    assert path.read_bytes() == b"".join(join(*record) for record in records)
    assert list(framing.read_records(path)) == [h + i for h, i in records]


def test_an_array_is_written_as_it_lies():
    image = np.arange(20, dtype=np.uint8).reshape(4, 5)
    assert join(b"head", image[1]) == join(b"head", bytes(range(5, 10)))
    assert len(join(b"head", image[1])) == 9 + framing.FRAME_BYTES


def test_write_at_writes_all_of_it(tmp_path, monkeypatch):
    """A system call may write less than it was given."""
    path = tmp_path / "a"
    path.write_bytes(b"." * 12)
    pwrite = os.pwrite
    monkeypatch.setattr(
        os, "pwritev", lambda f, parts, at: pwrite(f, bytes(parts[0])[:2], at)
    )
    monkeypatch.setattr(
        os, "pwrite", lambda f, data, at: pwrite(f, data[:3], at)
    )
    descriptor = os.open(path, os.O_WRONLY)
    framing.write_at(descriptor, [(2, [b"abc", b"defg", b"h"])])
    os.close(descriptor)
    assert path.read_bytes() == b"..abcdefgh.."


def test_neighbours_share_a_system_call(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"." * 20)
    calls = []
    pwritev = os.pwritev

    def record(descriptor, buffers, offset):
        calls.append((offset, len(buffers)))
        return pwritev(descriptor, buffers, offset)

    monkeypatch.setattr(os, "pwritev", record)
    monkeypatch.setattr(framing, "_MOST_BUFFERS", 4)
    records = [(1, [b"ab", b"c"]), (4, [b"d"]), (5, [b"e", b"f"])]
    records += [(9, [b"g", np.array([104, 105], np.uint8)]), (13, [b"j"])]
    descriptor = os.open(path, os.O_WRONLY)
    framing.write_at(descriptor, records)
    os.close(descriptor)
    assert path.read_bytes() == b".abcdef..ghi.j......"
    assert calls == [(1, 3), (5, 2), (9, 2), (13, 1)]


@pytest.mark.parametrize("byte", range(0, 60, 3))
def test_a_flipped_bit_is_noticed(tmp_path, byte):
    data = bytearray(b"".join(join(b"header", b"image") for _ in range(3)))
    data[byte] ^= 0x10
    (tmp_path / "a").write_bytes(data)
    records = list(framing.read_records(tmp_path / "a"))
    assert records == [b"headerimage"] * (byte // 27) + [None]


@pytest.mark.parametrize("length", range(55, 81, 2))
def test_a_short_file_is_noticed(tmp_path, length):
    data = b"".join(join(b"header", b"image") for _ in range(3))
    (tmp_path / "a").write_bytes(data[:length])
    records = list(framing.read_records(tmp_path / "a"))
    assert records == [b"headerimage"] * 2 + [None]
