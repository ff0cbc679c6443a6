"""Random surfaces; each image cuts a part, because making one is slow."""

import functools

import numpy as np
from PIL import Image

_STREAM = 3
_TILE = 512  # pixels, height and width


class Noise:
    """Tiles of noise of one seed; cuts differ by position and mirroring.

    All have the shape [tiles, 512, 512], float32, with mean 0 and standard
    deviation about 1.

    Attributes:
        bend: How strokes deviate: waves of about 40 pixels, and small waves of
            15.
        pressure: Changes of a pen's pressure: waves of 20 pixels.
        grain: Fibres of paper, and specks of ink.
    """

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng((seed, _STREAM))
        self.bend = np.stack([_bend(rng) for _ in range(12)])
        self.pressure = np.stack([waves(rng, 26) for _ in range(6)])
        self.grain = np.stack([_grain(rng) for _ in range(6)])


def cut(
    tiles: np.ndarray, height: int, width: int, rng: np.random.Generator
) -> np.ndarray:
    """Returns a random [height, width] part of a tile; it is not a copy."""
    tile, y, x, down, right = (
        rng.random(5) * (len(tiles), _TILE - height, _TILE - width, 2, 2)
    ).astype(int)
    piece = tiles[tile, y : y + height, x : x + width]
    return piece[:: 1 - 2 * down, :: 1 - 2 * right]


def waves(rng: np.random.Generator, knots: int) -> np.ndarray:
    """Returns a tile of random waves: a smooth surface through random values.

    Args:
        rng: Draws the values.
        knots: Number of values along each side, so about twice the waves.
    """
    values = rng.standard_normal((knots, knots), dtype=np.float32)
    image = Image.fromarray(values)
    return np.asarray(image.resize((_TILE, _TILE), Image.Resampling.BICUBIC))


def _bend(rng: np.random.Generator) -> np.ndarray:
    return waves(rng, 13) + np.float32(0.22) * waves(rng, 34)


def _grain(rng: np.random.Generator) -> np.ndarray:
    """Returns white noise plus blurred noise, like scanned fibres."""
    white = rng.standard_normal((_TILE, _TILE), dtype=np.float32)
    fine = _smeared(white, 1)
    coarse = _smeared(fine, 5)
    mixed = (
        0.2 * white / white.std()
        + 0.8 * fine / fine.std()
        + 0.4 * coarse / coarse.std()
    )
    return mixed / mixed.std()


def _smeared(noise: np.ndarray, reach: int) -> np.ndarray:
    """Returns sums over squares around each pixel.

    Args:
        noise: [h, w]. Beyond an edge it continues at the opposite edge.
        reach: A square has 2 reach + 1 pixels on each side.
    """
    for axis in (0, 1):
        noise = functools.reduce(
            np.add,
            [np.roll(noise, shift, axis) for shift in range(-reach, reach + 1)],
        )
    return noise
