"""Test-time views: an image, slightly moved and scaled.

No view is a mirror image, because a mirrored letter is another letter. The
views are made from the backbone's input, after the crop to the ink: a crop
after it would undo them. The k-th view is the k-th point of the R3 sequence
(Roberts 2018, "The unreasonable effectiveness of quasirandom sequences"). So
any number of views is spread evenly, and the first view is the unchanged image.
"""

import numpy as np

_SHIFT = 0.04  # Largest shift, as a fraction of the side.
_SCALE = 0.06  # Largest relative change of the size.
_RATIO = 1.2207440846057596  # The root of x^4 = x + 1.


def make_matrices(
    count: int, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the matrices that make `count` views of an image.

    The k-th view of ink [H, W] is rows[k] @ ink @ columns[k].T; pixels from
    outside the image are paper.

    Returns:
        rows: [count, height, height] float32.
        columns: [count, width, width] float32.
    """
    points = np.arange(count)[:, None] * _RATIO ** -np.arange(1.0, 4.0)
    down, right, larger = 2 * ((0.5 + points) % 1.0).T - 1
    scale = 1 + _SCALE * larger
    return (
        _matrices(height, scale, _SHIFT * down),
        _matrices(width, scale, _SHIFT * right),
    )


def _matrices(size: int, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Returns [K, size, size] weights that scale by [K] and shift by [K]."""
    pixels = np.arange(size) - (size - 1) / 2
    scale, shift = scale[:, None, None], shift[:, None, None]
    position = (pixels[:, None] - shift * size) / scale
    width = np.maximum(1 / scale, 1.0)
    distance = np.abs(position - pixels) / width
    return (np.maximum(0.0, 1.0 - distance) / width).astype(np.float32)
