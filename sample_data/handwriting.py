"""Draws a grapheme like a writer's hand, on a scanned sheet.

    path of the pen -> bent, slanted, stretched -> inked -> on paper -> scanned

Each image is a pure function of (seed, split, index): split and index choose
the writer, seed and writer choose the habits, and all of them together choose
everything else.
"""

import math
import pathlib

import numpy as np

from sample_data import fonts, noise, paper, placement, writers
from sample_data.fonts import Field, Fields
from sample_data.noise import Noise
from sample_data.paper import Sheets
from sample_data.placement import Pose
from sample_data.writers import Writer

_STREAM = 1  # Other random numbers than those of the writers.


class Desk:
    """Draws images, with the fonts, writers and paper of one seed."""

    def __init__(self, *, font_paths: list[pathlib.Path], seed: int) -> None:
        self._seed = seed
        self._fields = Fields(font_paths)
        self._writers: dict[int, Writer] = {}
        self._noise = Noise(seed)
        self._sheets = Sheets(seed)

    def draw(self, split: int, index: int, text: str) -> np.ndarray:
        """Draws image `index` of a split (0 train, 1 test).

        Returns:
            [137, 236] uint8, dark ink on light paper.
        """
        rng = np.random.default_rng((self._seed, _STREAM, split, index))
        number = int(rng.integers(writers.NUM_WRITERS))
        if number not in self._writers:
            self._writers[number] = writers.make_writer(
                self._seed, number, len(self._fields)
            )
        writer = self._writers[number]
        field = self._fields.get(writer.font, text)
        pose = placement.choose_pose(field, writer, rng)
        distance = _lay_path(field, pose, writer, self._noise, rng)
        ink = ink_path(distance, writer, self._noise, rng)
        fibres = noise.cut(self._noise.grain, paper.HEIGHT, paper.WIDTH, rng)
        return self._sheets.scan(ink, pose.window, number, fibres, rng)


def bend_sheet(
    pose: Pose, wobble: float, tiles: Noise, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Bends, slants and stretches the coordinates of the sheet's window.

    Args:
        wobble: How far strokes deviate, in pixels of the image.

    Returns:
        y and x, [rows, columns] float32 in pixels of the field, counted from
        the headline and from the middle.
    """
    rows, columns = pose.window
    size = (rows.stop - rows.start, columns.stop - columns.start)
    x = noise.cut(tiles.bend, *size, rng) * np.float32(wobble)
    x += np.arange(columns.start, columns.stop, dtype=np.float32)
    x -= np.float32(pose.across)
    y = noise.cut(tiles.bend, *size, rng) * np.float32(wobble)
    y += np.arange(rows.start, rows.stop, dtype=np.float32)[:, None]
    y -= np.float32(pose.headline)
    y -= np.float32(pose.tilt) * x
    x += np.float32(pose.slant) * y
    x *= np.float32(1 / pose.scale_x)
    y *= np.float32(1 / pose.scale_y)
    return y, x


def _lay_path(
    field: Field,
    pose: Pose,
    writer: Writer,
    tiles: Noise,
    rng: np.random.Generator,
) -> np.ndarray:
    """Puts the pen's path on the sheet, bent as a hand bends it.

    Returns:
        [rows, columns] float32 of the window, distances from the path in
        pixels.
    """
    y, x = bend_sheet(pose, writer.wobble, tiles, rng)
    upper = None
    if field.top < field.baseline - fonts.BODY:
        upper = np.minimum(y, 0)
        y += upper * np.float32(1 / pose.above - 1)
    if field.bottom > field.baseline:
        under = np.maximum(y - np.float32(fonts.BODY), 0)
        y += under * np.float32(1 / pose.below - 1)
    half = (field.right - field.left) / 2
    distance = sample_field(
        field.distance,
        y + np.float32(field.baseline - fonts.BODY),
        x + np.float32(field.left + half),
    )
    if field.headline:
        left, right = (half + over / pose.scale_x for over in pose.overhang)
        beyond = np.maximum(x - np.float32(right), np.float32(-left) - x)
        np.maximum(beyond, 0, out=beyond)
        beyond *= beyond
        y -= np.float32(rng.normal(3, 1))
        y *= y
        y += beyond
        np.minimum(distance, np.sqrt(y, out=y), out=distance)
    distance *= np.float32((pose.scale_x + pose.scale_y) / 2)
    # A vertical stretch would make horizontal strokes broader.
    if upper is not None:
        broad = np.float32((pose.above - 1) / 2)
        distance += distance * (upper < 0) * broad
    return distance


def ink_path(
    distance: np.ndarray,
    writer: Writer,
    tiles: Noise,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draws the ink along a path.

    Args:
        distance: [rows, columns] float32, distances from the path in pixels.

    Returns:
        [rows, columns] float32 in [0, 1], 1 is black.
    """
    half = np.float32(0.5 * writer.pen * math.exp(rng.normal(0, 0.06)))
    height, width = distance.shape
    speckle = noise.cut(tiles.grain, height, width, rng)
    speckle = speckle * np.float32(writer.grain)
    pressure = noise.cut(tiles.pressure, height, width, rng)
    pressure = pressure * np.float32(writer.pressure)
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


def sample_field(field: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Reads a field of distances at fractional pixels, bilinearly.

    Args:
        field: [h, w] uint8, in 1/16 pixel; its border is far from the path.
        y, x: [rows, columns] float32 coordinates in the field; overwritten.

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
