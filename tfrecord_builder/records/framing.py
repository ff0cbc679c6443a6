"""TFRecord framing, and records written at their offsets in a shard.

A record in a file, https://www.tensorflow.org/tutorials/load_data/tfrecord:

    uint64  length
    uint32  masked crc32c of the length
    bytes   the record
    uint32  masked crc32c of the record
"""

import functools
import os
import struct
from collections.abc import Iterable, Iterator

import google_crc32c
import numpy as np

FRAME_BYTES = 16  # Bytes that the framing adds to a record.
_READ_BYTES = 8 << 20  # 8 MiB
_MOST_BUFFERS = 512  # Per system call; IOV_MAX is 1024.


def mask(crc: int) -> int:
    """Returns TFRecord's masked form of a crc32c."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@functools.lru_cache(4096)
def frame_head(length: int) -> bytes:
    """Returns the 12 bytes before a record of `length` bytes."""
    packed = struct.pack("<Q", length)
    return packed + struct.pack("<I", mask(google_crc32c.value(packed)))


def frame_tail(crc: int) -> bytes:
    """Returns the 4 bytes after a record whose crc32c is `crc`."""
    return struct.pack("<I", mask(crc))


def frame(header: bytes, image: bytes | np.ndarray) -> list:
    """Returns the buffers of one framed record; does not copy the pixels.

    Args:
        header: The result of `example.image_header`.
        image: The record's last bytes: bytes or a contiguous uint8 array.
    """
    crc = google_crc32c.extend(google_crc32c.value(header), image)
    size = len(image) if isinstance(image, bytes) else image.nbytes
    head = frame_head(len(header) + size)
    return [head + header, image, frame_tail(crc)]


def write_at(descriptor: int, records: Iterable[tuple[int, list]]) -> None:
    """Writes framed records; adjacent records share a system call.

    Args:
        descriptor: The file.
        records: (offset, buffers of one record), in ascending order.
    """
    group_start = end = 0
    buffers: list = []
    for offset, record in records:
        if offset != end or len(buffers) + len(record) > _MOST_BUFFERS:
            _write_all(descriptor, buffers, group_start)
            group_start = end = offset
            buffers = []
        buffers += record
        end += sum(memoryview(buffer).nbytes for buffer in record)
    _write_all(descriptor, buffers, group_start)


def _write_all(descriptor: int, buffers: list, offset: int) -> None:
    """Writes all of `buffers`; one system call may write only a part."""
    total = sum(memoryview(buffer).nbytes for buffer in buffers)
    written = os.pwritev(descriptor, buffers, offset) if buffers else 0
    if written < total:  # Because of a signal or a nearly full disk.
        rest = memoryview(b"".join(bytes(b) for b in buffers))[written:]
        offset += written
        while rest:
            written = os.pwrite(descriptor, rest, offset)
            offset += written
            rest = rest[written:]


def read_records(path: str | os.PathLike) -> Iterator[bytes | None]:
    """Yields a shard's records; at the first bad one, None, and ends."""
    with open(path, "rb", buffering=_READ_BYTES) as file:
        while head := file.read(12):
            if len(head) < 12:
                yield None
                return
            (length,) = struct.unpack_from("<Q", head)
            if head != frame_head(length):
                yield None
                return
            record = file.read(length)
            tail = file.read(4)
            if tail != frame_tail(google_crc32c.value(record)):
                yield None
                return
            yield record


def sync(path: str | os.PathLike) -> None:
    """Returns when a file's bytes are on the disk."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
