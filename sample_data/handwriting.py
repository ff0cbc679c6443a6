"""Draws a grapheme as a writer's hand would, on a scanned sheet.

    path of the pen -> bent, slanted, stretched -> inked -> on paper -> scanned

Each image is a pure function of (seed, split, index): the split and index
choose the writer, the seed and writer the habits, and all of them the rest.
"""

import dataclasses
import math
import pathlib

import numpy as np

from sample_data import fonts, noise, paper

HEIGHT, WIDTH = 137, 236
NUM_WRITERS = 3000
_MOST_ABOVE, _MOST_BELOW = 52, 36  # pixels of the image
_IMAGE_STREAM, _WRITER_STREAM = 1, 2  # never the same numbers twice


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
        body=float(np.clip(rng.normal(55, 7.5), 36, 74)),
        aspect=math.exp(rng.normal(0.08, 0.13)),
        slant=rng.normal(0.05, 0.12),
        above=math.exp(rng.normal(0.6, 0.25)),
        below=math.exp(rng.normal(0.1, 0.15)),
        overhang=rng.gamma(2, 5),
        wobble=4 * math.exp(rng.normal(0, 0.3)),
        pen=float(np.clip(rng.normal(4.5, 0.55), 3, 6.5)),
        darkness=float(np.clip(rng.normal(0.86, 0.05), 0.65, 0.97)),
        hollow=float(np.clip(rng.normal(0.08, 0.08), 0, 0.3)),
        grain=rng.uniform(0.02, 0.06),
        softness=rng.uniform(2.5, 3.7),
    )


class Desk:
    """Where images are drawn: fonts, writers and paper of one seed."""

    def __init__(self, *, font_paths: list[pathlib.Path], seed: int):
        self._seed = seed
        self._fields = fonts.Fields(font_paths)
        self._writers: dict[int, Writer] = {}
        self._noise = noise.Noise(seed)
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
        place = _choose_place(field, writer, rng)
        distance = _lay_path(field, place, writer, self._noise, rng)
        ink = _ink(distance, writer, self._noise, rng)
        fibres = noise.cut(self._noise.grain, HEIGHT, WIDTH, rng)
        return self._sheets.scan(ink, place.window, number, fibres, rng)


@dataclasses.dataclass(frozen=True)
class _Place:
    """How one grapheme lies on its sheet; lengths in pixels of the image."""

    across: float  # column of its middle
    headline: float  # row
    scale_x: float  # pixels per pixel of the field
    scale_y: float
    above: float
    below: float
    slant: float
    tilt: float  # rows a column
    overhang: tuple[float, float]  # of the headline, left and right
    window: tuple[slice, slice]  # rows and columns that ink can reach


def _choose_place(
    field: fonts.Field, writer: Writer, rng: np.random.Generator
) -> _Place:
    """Chooses how one grapheme lies on its sheet."""
    jitter = np.exp(rng.normal(0, (0.08, 0.08, 0.1, 0.1))).tolist()
    scale_y = writer.body / fonts.BODY * jitter[0]
    scale_x = scale_y * writer.aspect * jitter[1]
    # A wide grapheme is written narrower, to stay on the sheet.
    half = (field.right - field.left) / 2
    scale_x = min(scale_x, 0.4 * WIDTH / max(half, 1.0))
    slant = writer.slant + rng.normal(0, 0.05)
    tilt = rng.normal(0, 0.05)
    overhang = rng.exponential(writer.overhang, 2).tolist()

    # Signs above and below may run off the sheet, but not be lost there.
    rise = scale_y * max(field.baseline - fonts.BODY - field.top, 0)
    fall = scale_y * max(field.bottom - field.baseline, 0)
    above = min(writer.above * jitter[2], _MOST_ABOVE / max(rise, 1.0))
    below = min(writer.below * jitter[3], _MOST_BELOW / max(fall, 1.0))
    top = -rise * above
    bottom = scale_y * fonts.BODY + fall * below
    headline = min(rng.normal(41, 6.5), HEIGHT - 0.9 * bottom)
    headline = max(headline, -0.92 * top)
    inset = 0.9 * half * scale_x
    across = min(max(rng.normal(113, 13), inset), WIDTH - inset)

    left, right = (half * scale_x + over for over in overhang)
    margin = 3 * writer.wobble + 5
    lean = abs(slant) * max(bottom, -top) + margin
    drop = abs(tilt) * max(left, right) + margin
    return _Place(
        across=across,
        headline=headline,
        scale_x=scale_x,
        scale_y=scale_y,
        above=above,
        below=below,
        slant=slant,
        tilt=tilt,
        overhang=tuple(overhang),
        window=(
            _span(headline + top - drop, headline + bottom + drop, HEIGHT),
            _span(across - left - lean, across + right + lean, WIDTH),
        ),
    )


def _span(start: float, stop: float, size: int) -> slice:
    """Cuts [start, stop) to at least one pixel of [0, size)."""
    first = min(max(int(start), 0), size - 1)
    return slice(first, max(min(int(stop) + 1, size), first + 1))


def _lay_path(
    field: fonts.Field,
    place: _Place,
    writer: Writer,
    tiles: noise.Noise,
    rng: np.random.Generator,
) -> np.ndarray:
    """Lays the pen's path on the sheet, bent as a hand bends it.

    Returns:
        [rows, columns] float32 of the window, pixels from the path.
    """
    rows, columns = place.window
    size = (rows.stop - rows.start, columns.stop - columns.start)
    wobble = np.float32(writer.wobble)
    x = noise.cut(tiles.bend, *size, rng) * wobble
    x += np.arange(columns.start, columns.stop, dtype=np.float32)
    x -= np.float32(place.across)
    y = noise.cut(tiles.bend, *size, rng) * wobble
    y += np.arange(rows.start, rows.stop, dtype=np.float32)[:, None]
    y -= np.float32(place.headline)
    y -= np.float32(place.tilt) * x
    x += np.float32(place.slant) * y

    # Now to pixels of the field, from its middle and its headline.
    x *= np.float32(1 / place.scale_x)
    y *= np.float32(1 / place.scale_y)
    upper = None
    if field.top < field.baseline - fonts.BODY:
        upper = np.minimum(y, 0)
        y += upper * np.float32(1 / place.above - 1)
    if field.bottom > field.baseline:
        under = np.maximum(y - np.float32(fonts.BODY), 0)
        y += under * np.float32(1 / place.below - 1)
    half = (field.right - field.left) / 2
    distance = _sample(
        field.distance,
        y + np.float32(field.baseline - fonts.BODY),
        x + np.float32(field.left + half),
    )
    if field.headline:
        left, right = (half + over / place.scale_x for over in place.overhang)
        beyond = np.maximum(x - np.float32(right), np.float32(-left) - x)
        np.maximum(beyond, 0, out=beyond)
        beyond *= beyond
        y -= np.float32(rng.normal(3, 1))
        y *= y
        y += beyond
        np.minimum(distance, np.sqrt(y, out=y), out=distance)
    distance *= np.float32((place.scale_x + place.scale_y) / 2)
    # A stretch upward would broaden the strokes that run across.
    if upper is not None:
        broad = np.float32((place.above - 1) / 2)
        distance += distance * (upper < 0) * broad
    return distance


def _ink(
    distance: np.ndarray,
    writer: Writer,
    tiles: noise.Noise,
    rng: np.random.Generator,
) -> np.ndarray:
    """Inks a path.

    Args:
        distance: [rows, columns] float32, pixels from the path.

    Returns:
        [rows, columns] float32 in [0, 1], 1 is black.
    """
    half = np.float32(0.5 * writer.pen * math.exp(rng.normal(0, 0.06)))
    speckle = noise.cut(tiles.grain, *distance.shape, rng)
    speckle = speckle * np.float32(writer.grain)
    pressure = noise.cut(tiles.pressure, *distance.shape, rng)
    pressure = pressure * np.float32(0.1)
    cover = half * pressure
    cover += half
    cover -= distance
    cover *= np.float32(1 / writer.softness)
    cover += speckle
    cover += np.float32(0.5)
    np.clip(cover, 0, 1, out=cover)
    cover *= cover * (3 - 2 * cover)  # soft on both sides of the edge
    shade = pressure
    shade *= np.float32(0.5)
    shade += speckle
    shade += np.float32(writer.darkness)
    middle = np.maximum(1 - distance / half, 0)
    middle *= np.float32(writer.hollow)
    shade -= middle
    np.clip(shade, 0, 0.99, out=shade)
    cover *= shade
    return cover


def _sample(field: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Reads a field of distances between its pixels, bilinearly.

    Args:
        field: [h, w] uint8, 16 steps a pixel; its rim is far.
        y, x: [rows, columns] float32 places in the field; overwritten.

    Returns:
        [rows, columns] float32, in pixels of the field.
    """
    height, width = field.shape
    np.clip(y, 0, height - 1.001, out=y)
    np.clip(x, 0, width - 1.001, out=x)
    top = y.astype(np.intp)
    left = x.astype(np.intp)
    y -= top
    x -= left
    top *= width
    top += left
    flat = field.astype(np.float32).ravel()
    upper = flat.take(top)
    lower = flat[width:].take(top)
    right = flat[1:].take(top)
    right -= upper
    right *= x
    upper += right
    right = flat[width + 1 :].take(top)
    right -= lower
    right *= x
    lower += right
    lower -= upper
    lower *= y
    lower += upper
    lower *= np.float32(1 / 16)
    return lower
