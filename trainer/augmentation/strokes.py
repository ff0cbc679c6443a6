"""Changes the ink itself: thicker or thinner strokes, erased parts."""

import tensorflow as tf

from trainer.augmentation import masks

_LARGEST_ERASED = 0.25  # As a fraction of the image.
_GRID_PERIODS = (0.2, 0.5)  # As fractions of the shorter side.


def thicken(images: tf.Tensor, amount: tf.Tensor) -> tf.Tensor:
    """Blends each image with its dilation or its erosion.

    Args:
        images: [P, h, w, 1] float32 ink, background 0.
        amount: [P] float32 in [-1, 1]: 1 is a dilation by 3 x 3 pixels, -1 an
            erosion, 0 changes nothing.
    """
    amount = amount[:, None, None, None]
    sign = tf.where(amount < 0.0, -1.0, 1.0)
    # An erosion of ink is a dilation of paper, so one pass does both.
    spread = tf.pad(images * sign, [[0, 0], [1, 1], [1, 1], [0, 0]])
    for axis in (1, 2):
        size = images.shape[axis]
        first, second, third = (
            spread[:, start : start + size]
            if axis == 1
            else spread[:, :, start : start + size]
            for start in range(3)
        )
        spread = tf.maximum(tf.maximum(first, second), third)
    return images + tf.abs(amount) * (spread * sign - images)


def erase(
    images: tf.Tensor,
    *,
    chosen: tf.Tensor,
    area: tf.Tensor,
    y: tf.Tensor,
    x: tf.Tensor,
) -> tf.Tensor:
    """Erases a box in each chosen image (Zhong et al. 2017, arXiv 1708.04896).

    Args:
        images: [P, h, w, 1] float32 ink, background 0.
        chosen: [P] bool, the images to change.
        area: [P] float32 in [0, 1), as a fraction of the largest box.
        y: [P] float32 in [0, 1), vertical centre of the box.
        x: [P] float32 in [0, 1), horizontal centre of the box.
    """
    area = tf.where(chosen, area * _LARGEST_ERASED, 0.0)
    height, width = images.shape[1:3]
    boxes = masks.boxes(y=y, x=x, area=area, height=height, width=width)
    return images * (1.0 - boxes)


def erase_grid(
    images: tf.Tensor,
    *,
    chosen: tf.Tensor,
    period: tf.Tensor,
    y: tf.Tensor,
    x: tf.Tensor,
) -> tf.Tensor:
    """Erases a grid of squares (Chen et al. 2020, arXiv 2001.04086).

    Args:
        images: [P, h, w, 1] float32 ink, background 0.
        chosen: [P] bool, the images to change.
        period: [P] float32 in [0, 1), from the shortest to the longest period.
        y: [P] float32 in [0, 1), vertical start of the grid, in periods.
        x: [P] float32 in [0, 1), horizontal start of the grid, in periods.
    """
    height, width = images.shape[1:3]
    shortest, longest = _GRID_PERIODS
    period = (shortest + (longest - shortest) * period) * min(height, width)
    grids = masks.grids(y=y, x=x, period=period, height=height, width=width)
    chosen = tf.cast(chosen, tf.float32)[:, None, None, None]
    return images * (1.0 - chosen * grids)
