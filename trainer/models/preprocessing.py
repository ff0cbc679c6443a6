"""Maps a stored image to the backbone's input: ink, cropped and resized.

This is a part of the served model, made of keras.ops only. In training the same
function runs on the device, before the augmentation.
"""

import dataclasses

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfrecord_builder.records import background

Tensor = tf.Tensor | keras.KerasTensor  # keras.ops accepts both.

_BORDER = 3  # Width in pixels of the edge whose ink is ignored.
_MARGIN = 4.0  # Pixels of paper around the ink.
_LEAST_INK = 2  # Pixels of ink that a row or column of the box must have.
_CONTRAST = 0.3  # Ink is above mean + 0.3 * (strongest - mean).


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """Converts uint8 images to the backbone's input.

    Attributes:
        height: Height of the backbone's input.
        width: Width of the backbone's input.
        crop: Whether each image is first cropped to its ink, with its
            proportions kept. If not, the whole image is resized.
        background: "light" or "dark"; the ink has the other brightness.
    """

    height: int
    width: int
    crop: bool = False
    background: str = background.LIGHT

    def __call__(self, images: Tensor) -> Tensor:
        """Returns ink in [0, 1] (0 is the paper) at the backbone's size.

        The resize is two matrix products with triangle filters as wide as the
        reduction (Pillow and tf.image call it antialiased bilinear). They give
        the same result on every device and exporter, and are fast.

        Args:
            images: [B, H, W, 1] uint8 in [0, 255], tensor or KerasTensor.

        Returns:
            [B, height, width, 1] float32 in [0, 1].
        """
        ink = ops.cast(images[..., 0], "float32") / 255.0
        if self.background == background.LIGHT:
            ink = 1.0 - ink
        if self.crop:
            rows, columns = self._crop_matrices(ink)
        else:
            rows = resize_matrix(ink.shape[1], self.height)
            columns = resize_matrix(ink.shape[2], self.width)
        ink = ops.matmul(rows, ops.matmul(ink, ops.swapaxes(columns, -1, -2)))
        return ops.expand_dims(ink, -1)

    def _crop_matrices(self, ink: Tensor) -> tuple[Tensor, Tensor]:
        """Returns [B, height, H] and [B, width, W] weights of each crop."""
        # Small images lose detail to a margin of 4 pixels. Light images keep
        # it, so that earlier runs can resume; dark images came later.
        top, bottom, left, right = ink_box(
            ink, to_scale=self.background == background.DARK
        )
        scale = ops.maximum(
            (bottom - top) / self.height, (right - left) / self.width
        )
        return (
            _crop_matrix((top + bottom) / 2, scale, ink.shape[1], self.height),
            _crop_matrix((left + right) / 2, scale, ink.shape[2], self.width),
        )


def ink_box(
    ink: Tensor, *, to_scale: bool = False
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns the box around each image's ink, with a margin.

    Args:
        ink: [B, H, W] float32 in [0, 1].
        to_scale: Whether images of less than 64 pixels have a narrower margin:
            a sixteenth of the shorter side.

    Returns:
        top, bottom, left, right: [B] float32 edges in pixels. If there is too
            little ink, the box is the whole image.
    """
    mean = ops.mean(ink, axis=(1, 2), keepdims=True)
    strongest = ops.max(ink, axis=(1, 2), keepdims=True)
    inked = ops.cast(ink > mean + _CONTRAST * (strongest - mean), "float32")
    height, width = ink.shape[1:]
    least, margin, border = _LEAST_INK, _MARGIN, _BORDER
    if to_scale:
        share = min(height, width) // 16
        least, border = min(least, max(1, share)), min(border, share)
        margin = min(margin, float(share))
    frame = np.zeros((height, width), np.float32)
    frame[border : height - border, border : width - border] = 1.0
    inked = inked * frame
    top, bottom = _extent(ops.sum(inked, axis=2), least, margin)
    left, right = _extent(ops.sum(inked, axis=1), least, margin)
    return top, bottom, left, right


def _extent(counts: Tensor, least: int, margin: float) -> tuple[Tensor, Tensor]:
    """Returns the first and last indices [B] of [B, N] that hold ink."""
    size = counts.shape[1]
    held = ops.cast(counts >= least, "float32")
    position = np.arange(size, dtype=np.float32)
    first = ops.min((1.0 - held) * size + position, axis=1) - margin
    last = ops.max(held * (position + 1.0), axis=1) + margin
    empty = first > last
    return ops.where(empty, 0.0, first), ops.where(empty, float(size), last)


def _crop_matrix(
    centre: Tensor, scale: Tensor, source: int, target: int
) -> Tensor:
    """Returns [B, target, source] weights; outside the image is paper."""
    steps = np.arange(target, dtype=np.float32) + 0.5 - target / 2
    scale = ops.reshape(scale, (-1, 1, 1))
    position = ops.reshape(centre, (-1, 1, 1)) + scale * steps[:, None] - 0.5
    pixels = np.arange(source, dtype=np.float32)
    # This is (1 - distance / width) / width with one division per row.
    height = 1.0 / ops.maximum(scale, 1.0)
    slope = height * height
    return ops.maximum(height - slope * ops.abs(position - pixels), 0.0)


def resize_matrix(source: int, target: int) -> np.ndarray:
    """Returns [target, source] float32 weights of an antialiased resize."""
    scale = source / target
    centre = (np.arange(target)[:, None] + 0.5) * scale - 0.5
    distance = np.abs(np.arange(source)[None, :] - centre) / max(scale, 1.0)
    weights = np.maximum(0.0, 1.0 - distance)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights.astype(np.float32)
