"""PNG images on disk, in the order they were read, until shards are written.

A range of rows is appended to the file: n int64 sizes, then n images. The size
of a PNG, and so its offset in a shard, is known only after the encoding.
"""

import concurrent.futures
import contextlib
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from tfrecord_builder.records import png_encoder

_ENCODE_IMAGES = 64  # Images per task: 2 MB fit into the CPU's cache.


class PngSpool:
    """One file of images."""

    def __init__(
        self, path: pathlib.Path, pool: concurrent.futures.ThreadPoolExecutor
    ) -> None:
        """Stores the arguments; the first write creates the file.

        Args:
            path: The file.
            pool: Its threads encode the images.
        """
        self._path = path
        self._pool = pool
        self._offsets = self._sizes = np.zeros(0, np.int64)

    @property
    def num_bytes(self) -> int:
        """Number of bytes of all images."""
        return int(self._sizes.sum())

    def write(self, images: np.ndarray, count: Callable[[float], None]) -> int:
        """Appends images [N, H, W] uint8; returns the offset of their sizes.

        `count` is called with the number of images just written.
        """
        parts = [
            images[i : i + _ENCODE_IMAGES]
            for i in range(0, len(images), _ENCODE_IMAGES)
        ]
        sizes: list[int] = []
        with open(self._path, "ab") as file:
            start = file.tell()
            file.write(bytes(8 * len(images)))
            for pngs in self._pool.map(png_encoder.encode, parts):
                file.writelines(pngs)
                sizes += [len(png) for png in pngs]
                count(len(pngs))
        with open(self._path, "r+b") as file:
            file.seek(start)
            file.write(np.array(sizes, np.int64).tobytes())
        return start

    def find(self, ranges: Mapping[int, tuple[int, int]], total: int) -> None:
        """Reads the offset and size of every image; `reader` needs them.

        Args:
            ranges: First image -> (number of images, the result of `write`).
            total: Number of all images.
        """
        self._offsets = np.zeros(total, np.int64)
        self._sizes = np.zeros(total, np.int64)
        with open(self._path, "rb") as file:
            for first, (count, start) in ranges.items():
                file.seek(start)
                sizes = np.frombuffer(file.read(8 * count), np.int64)
                ends = start + sizes.nbytes + np.cumsum(sizes)
                self._sizes[first : first + count] = sizes
                self._offsets[first : first + count] = ends - sizes

    @contextlib.contextmanager
    def reader(self) -> Iterator[Callable[[int], bytes]]:
        """Yields a function that returns the PNG of an image."""
        descriptor = os.open(self._path, os.O_RDONLY)
        try:
            yield lambda i: os.pread(
                descriptor, int(self._sizes[i]), int(self._offsets[i])
            )
        finally:
            os.close(descriptor)
