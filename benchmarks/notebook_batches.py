"""Batches as notebooks make them: Python code warps one image at a time."""

import keras
import numpy as np
from PIL import Image


class NotebookBatches(keras.utils.PyDataset):
    """Images, warped like those of ImageDataGenerator, and their labels.

    An item is [size, h, w, 1] float32 in [0, 1], and for each output its labels
    [size].

    Args:
        images: [N, H, W, 1] uint8.
        labels: For each output its labels [N].
        shape: h and w.
        size: Number of images in a batch.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: dict[str, np.ndarray],
        shape: tuple[int, int],
        size: int,
    ) -> None:
        super().__init__()
        self._images = [
            Image.fromarray(255 - i[..., 0]).resize(shape[::-1]) for i in images
        ]
        self._labels = labels
        self._size = size
        self._random = np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self._images) // self._size

    def __getitem__(
        self, index: int
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        rows = slice(index * self._size, (index + 1) * self._size)
        warped = np.stack([self._warp(image) for image in self._images[rows]])
        return warped[..., None] / 255, {
            name: value[rows] for name, value in self._labels.items()
        }

    def _warp(self, image: Image.Image) -> np.ndarray:
        turn, shear, zoom = self._random.uniform(-0.15, 0.15, 3)
        y, x = self._random.uniform(-4, 4, 2)
        warped = image.transform(
            image.size,
            Image.Transform.AFFINE,
            (1 + zoom, shear - turn, x, turn, 1 + zoom, y),
            Image.Resampling.BILINEAR,
        )
        return np.asarray(warped, np.float32)
