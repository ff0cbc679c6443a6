"""Draws a grapheme as a writer's hand would, on a scanned sheet.

    path of the pen -> bent, slanted, stretched -> inked -> on paper -> scanned

Each image is a pure function of (seed, split, index): the split and index
choose the writer, the seed and writer the habits, and all of them the rest.
"""

import dataclasses

import numpy as np
from PIL import Image

from sample_data import fonts, paper

HEIGHT, WIDTH = 137, 236
NUM_WRITERS = 3000
_IMAGE_STREAM, _WRITER_STREAM = 1, 2  # never the same numbers twice
_ROWS, _COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Writer:
    """The habits of one writer; lengths in pixels of the image."""

    font: int
    body: float  # from headline to baseline
    aspect: float  # width against height
    slant: float  # columns a row
    above: float  # stretch of what rises above the headline
    below: float  # stretch of what hangs below the baseline
    overhang: float  # mean of how far the headline runs past the letters
    wobble: float  # how far strokes stray
    pen: float  # width of a stroke
    darkness: float  # of the ink, in [0, 1]
    hollow: float  # how much paler a stroke's middle is
    grain: float  # speckle of the ink
    softness: float  # width of a stroke's edge


def make_writer(seed: int, number: int, num_fonts: int) -> Writer:
    """Draws the habits of writer `number`."""
    rng = np.random.default_rng((seed, _WRITER_STREAM, number))
    return Writer(
        font=int(rng.integers(num_fonts)),
        body=float(np.clip(rng.normal(45, 6), 30, 62)),
        aspect=float(np.exp(rng.normal(0.1, 0.12))),
        slant=float(rng.normal(0.05, 0.12)),
        above=float(np.exp(rng.normal(0.35, 0.2))),
        below=float(np.exp(rng.normal(0.1, 0.15))),
        overhang=float(rng.gamma(2, 4)),
        wobble=float(np.exp(rng.normal(0, 0.3))),
        pen=float(np.clip(rng.normal(4.4, 0.6), 3, 6.5)),
        darkness=float(np.clip(rng.normal(0.82, 0.07), 0.6, 0.97)),
        hollow=float(np.clip(rng.normal(0.08, 0.08), 0, 0.3)),
        grain=float(rng.uniform(0.03, 0.12)),
        softness=float(rng.uniform(1.6, 2.6)),
    )


class Desk:
    """Where images are drawn: fonts, writers and paper of one seed."""

    def __init__(self, *, font_paths: list, seed: int):
        self._seed = seed
        self._fields = fonts.Fields(font_paths)
        self._writers: dict[int, Writer] = {}
        self._sheets = paper.Sheets(seed)

    def draw(self, split: int, index: int, text: str) -> np.ndarray:
        """Draws image `index` of a split (0 train, 1 test).

        Returns:
            [HEIGHT, WIDTH] uint8, dark ink on light paper.
        """
        rng = np.random.default_rng((self._seed, _IMAGE_STREAM, split, index))
        number = int(rng.integers(NUM_WRITERS))
        if number not in self._writers:
            self._writers[number] = make_writer(
                self._seed, number, len(self._fields)
            )
        writer = self._writers[number]
        field = self._fields.get(writer.font, text)
        distance, scale = _place(field, writer, rng)
        ink = _ink(distance * scale, writer, self._sheets, rng)
        return self._sheets.scan(ink, number, rng)


def _place(
    field: fonts.Field, writer: Writer, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Lays the pen's path on the sheet.

    Returns:
        [HEIGHT, WIDTH] float32, distance from the path in pixels of the
        field, and the image's pixels per pixel of the field.
    """
    scale = writer.body / fonts.BODY * float(np.exp(rng.normal(0, 0.08)))
    aspect = writer.aspect * float(np.exp(rng.normal(0, 0.08)))
    # A wide grapheme is written narrower, to stay on the sheet.
    width = (field.right - field.left) * scale * aspect
    aspect *= min(1.0, (0.8 * WIDTH / max(width, 1.0)))
    across = rng.normal(113, 13)
    headline = rng.normal(44, 6)
    slant = writer.slant + rng.normal(0, 0.05)
    tilt = rng.normal(0, 0.05)

    wobble = 4.0 * writer.wobble
    x = (_COLUMNS - across) + _smooth(rng, 4, 6, wobble)
    x += _smooth(rng, 9, 15, 0.35 * wobble)
    y = (_ROWS - headline) + _smooth(rng, 4, 6, wobble)
    y += _smooth(rng, 9, 15, 0.35 * wobble)
    y -= tilt * x
    x += slant * y

    # From here on in pixels of the field, y from the headline down.
    x /= scale * aspect
    y /= scale
    above = writer.above * float(np.exp(rng.normal(0, 0.1)))
    below = writer.below * float(np.exp(rng.normal(0, 0.1)))
    y = np.where(y < 0, y / above, y)
    y = np.where(y > fonts.BODY, fonts.BODY + (y - fonts.BODY) / below, y)
    distance = _sample(
        field.distance,
        y + (field.baseline - fonts.BODY),
        x + (field.left + field.right) / 2,
    )
    if field.headline:
        half = (field.right - field.left) / 2
        left = -half - rng.exponential(writer.overhang)
        right = half + rng.exponential(writer.overhang)
        outside = np.maximum(left - x, x - right)
        np.maximum(outside, 0, out=outside)
        line = y - rng.normal(3, 1)
        np.minimum(
            distance, np.sqrt(outside * outside + line * line), out=distance
        )
    return distance, scale * (0.5 + 0.5 * aspect)


def _ink(
    distance: np.ndarray,
    writer: Writer,
    sheets: paper.Sheets,
    rng: np.random.Generator,
) -> np.ndarray:
    """Inks a path: [HEIGHT, WIDTH] float32 in [0, 1], 1 is black.

    Args:
        distance: [HEIGHT, WIDTH] float32, pixels from the path.
    """
    grain = sheets.texture(rng)
    half = 0.5 * writer.pen * float(np.exp(rng.normal(0, 0.06)))
    pressure = _smooth(rng, 7, 12, 0.13)
    half_width = half * (1 + pressure)
    cover = (half_width - distance) / writer.softness + 0.5
    cover += (0.8 * writer.grain) * grain
    np.clip(cover, 0, 1, out=cover)
    cover *= cover * (3 - 2 * cover)
    shade = writer.darkness + 0.5 * pressure + writer.grain * grain
    shade -= writer.hollow * np.maximum(1 - distance / half, 0)
    np.clip(shade, 0, 0.99, out=shade)
    cover *= shade
    return cover


def _smooth(
    rng: np.random.Generator, rows: int, columns: int, spread: float
) -> np.ndarray:
    """A random surface: normal at rows x columns knots, smooth between.

    Returns:
        [HEIGHT, WIDTH] float32 of mean 0 and roughly the given spread.
    """
    knots = rng.standard_normal((rows, columns), dtype=np.float32)
    knots *= spread
    image = Image.fromarray(knots).resize(
        (WIDTH, HEIGHT), Image.Resampling.BICUBIC
    )
    return np.asarray(image)


def _sample(field: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Reads a field of distances between its pixels, bilinearly.

    Args:
        field: [h, w] uint8, 16 steps a pixel; its rim is far.
        y, x: [HEIGHT, WIDTH] float32 places in the field.

    Returns:
        [HEIGHT, WIDTH] float32, in pixels of the field.
    """
    height, width = field.shape
    y = np.clip(y, 0, height - 1.001)
    x = np.clip(x, 0, width - 1.001)
    top = y.astype(np.int32)
    left = x.astype(np.int32)
    y -= top
    x -= left
    place = top * width + left
    flat = field.ravel()
    upper = flat[place].astype(np.float32)
    upper += (flat[place + 1] - upper) * x
    place += width
    lower = flat[place].astype(np.float32)
    lower += (flat[place + 1] - lower) * x
    lower -= upper
    lower *= y
    lower += upper
    lower *= 1 / 16
    return lower
