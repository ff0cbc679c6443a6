"""Fonts, and the strokes of a grapheme as distances to a pen's path.

A printed letter is converted to the path of a pen: the glyph is drawn large,
thinned to its middle line, and stored as the distance of every pixel from that
line. Then a threshold gives strokes of any pen width, independent of the weight
of the font.
"""

import dataclasses
import functools
import hashlib
import pathlib
import unicodedata
from collections.abc import Sequence
from typing import cast

import fontpkg
import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from storage import UserError

BODY = 56  # pixels from headline to baseline in a field
REACH = 9  # pixels; the largest distance that is stored
_MARGIN = REACH + 1
_CANVAS = (12 * BODY, 6 * BODY)
_ORIGIN = (2 * BODY, 3 * BODY)
_SAMPLE = "\u0995"  # KA; its height gives the size of a font
_DEPTHS = np.sqrt(np.arange(256, dtype=np.float32))
_STEPS = np.minimum(np.round(16 * _DEPTHS), 255).astype(np.uint8)
_WEIGHTS = (300, 400, 500, 600, 700)


@dataclasses.dataclass(frozen=True)
class Field:
    """The pen's path of one grapheme.

    Attributes:
        distance: [h, w] uint8, distance from the path in 1/16 pixel; 255 is
            far.
        baseline: Row of the baseline; the headline is BODY rows above it.
        left, right, top, bottom: Box around the path, in columns and rows.
        headline: Whether the grapheme has a headline over its whole width.
    """

    distance: np.ndarray
    baseline: int
    left: int
    right: int
    top: int
    bottom: int
    headline: bool


def find_fonts(font_dir: str | None) -> list[pathlib.Path]:
    """Lists the packaged font's weights, then the fonts in `font_dir`.

    Raises:
        storage.UserError: Pillow cannot join letters, or font_dir has no font
            with Bengali letters.
    """
    check_shaping()
    paths = [fontpkg.path("Hind Siliguri", weight) for weight in _WEIGHTS]
    if font_dir is not None:
        folder = pathlib.Path(font_dir)
        added = sorted(
            path
            for path in (folder.iterdir() if folder.is_dir() else ())
            if path.suffix.lower() in (".ttf", ".otf")
        )
        if not added:
            raise UserError(
                f"--font_dir={font_dir}: expected a folder with .ttf or .otf "
                "files, found none"
            )
        for path in added:
            _check_letters(path)
        paths += added
    return paths


def check_shaping() -> None:
    """Raises storage.UserError if Pillow cannot join letters to conjuncts."""
    for feature, remedy in (
        ("raqm", "install Pillow from its wheel: pip install pillow"),
        ("fribidi", "install the library: apt-get install libfribidi0"),
    ):
        if not features.check(feature):
            raise UserError(
                f"Pillow finds no {feature}, which it needs to join Bengali "
                f"letters into conjuncts; {remedy}"
            )


def digest(paths: list[pathlib.Path]) -> str:
    """Returns the sha256 of the fonts' bytes, in order."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


class Fields:
    """The fields of graphemes in a list of fonts; each is made only once."""

    def __init__(self, paths: list[pathlib.Path]) -> None:
        self._fonts = [load(path) for path in paths]
        # A field has about 20 KB: 160 MB at most.
        self.get = functools.lru_cache(maxsize=8192)(self._make)

    def __len__(self) -> int:
        return len(self._fonts)

    def _make(self, font: int, text: str) -> Field:
        mask, baseline = render(self._fonts[font], text)
        path = middle_line(mask > 127)
        rows = np.flatnonzero(path.any(1))
        columns = np.flatnonzero(path.any(0))
        if not len(rows):
            raise ValueError(f"font {font} draws nothing for {text!r}")
        top = max(baseline - BODY, 0)
        near = path[top : top + BODY // 5, columns[0] : columns[-1] + 1]
        straight = (near[1:] | near[:-1]).mean(1).max()
        return Field(
            distance=steps_from(path),
            baseline=baseline,
            left=int(columns[0]),
            right=int(columns[-1]),
            top=int(rows[0]),
            bottom=int(rows[-1]),
            headline=bool(straight > 0.8),
        )


def render(font: ImageFont.FreeTypeFont, text: str) -> tuple[np.ndarray, int]:
    """Draws a text: ([h, w] uint8, 255 is ink; the row of the baseline)."""
    if unicodedata.category(text[0]).startswith("M"):
        text = "\u00a0" + text  # so that a single sign gets no dotted circle
    image = Image.new("L", _CANVAS)
    ImageDraw.Draw(image).text(
        _ORIGIN, text, 255, font, anchor="ls", language="bn"
    )
    left, top, right, bottom = image.getbbox() or (*_ORIGIN, *_ORIGIN)
    # Keep the rows of headline and baseline even if they are empty.
    top = min(top, _ORIGIN[1] - BODY) - _MARGIN
    bottom = max(bottom, _ORIGIN[1] + 1) + _MARGIN
    box = (max(left - _MARGIN, 0), top, right + _MARGIN, bottom)
    return np.asarray(image.crop(box)), _ORIGIN[1] - top


def load(path: pathlib.Path) -> ImageFont.FreeTypeFont:
    """Opens a font at the size at which KA is BODY pixels tall."""

    def sized(size: float) -> ImageFont.FreeTypeFont:
        return ImageFont.truetype(
            path, size, layout_engine=ImageFont.Layout.RAQM
        )

    top = sized(1000).getbbox(_SAMPLE, anchor="ls")[1]
    return sized(1000 * BODY / -top)


def pixels(mask: object) -> bytes:
    """Returns the pixels of a mask of ImageFont.getmask(), one byte each.

    The mask is a sequence of integers, but Pillow's type does not declare it.
    """
    return bytes(cast(Sequence[int], mask))


def _check_letters(path: pathlib.Path) -> None:
    """Raises storage.UserError if a font cannot draw Bengali."""
    try:
        font = ImageFont.truetype(path, 64)
        letters, missing = (
            font.getmask(text).getbbox() and pixels(font.getmask(text))
            for text in (_SAMPLE, "\U0010fffd")
        )
    except OSError as error:
        raise UserError(f"{path}: not a readable font") from error
    if letters is None or letters == missing:
        raise UserError(
            f"{path}: the font has no Bengali letters; remove it from "
            "--font_dir"
        )


def middle_line(ink: np.ndarray) -> np.ndarray:
    """Thins strokes to their middle line.

    On the middle line the distance from the paper is largest, so its slope is
    far below 1. Toward a corner the slope is 0.7 or more, so corners add no
    extra lines.

    Args:
        ink: [h, w] bool.

    Returns:
        [h, w] bool; gaps are shorter than a pen's width.
    """
    depth = _DEPTHS.take(squared_distances(~ink))
    slope_y = np.zeros_like(depth)
    slope_x = np.zeros_like(depth)
    slope_y[1:-1] = depth[2:] - depth[:-2]
    slope_x[:, 1:-1] = depth[:, 2:] - depth[:, :-2]
    flat = slope_y * slope_y + slope_x * slope_x < 4 * 0.35
    return ink & flat


def steps_from(path: np.ndarray) -> np.ndarray:
    """Returns the distances of all pixels from a path.

    Args:
        path: [h, w] bool.

    Returns:
        [h, w] uint8, like Field.distance.
    """
    return _STEPS.take(squared_distances(path))


def squared_distances(mask: np.ndarray) -> np.ndarray:
    """Returns squared distances to the nearest True; exact up to REACH pixels.

    First it computes the squared distance along each column, then along each
    row the minimum of these values plus the squared distance in the row.

    Args:
        mask: [h, w] bool.

    Returns:
        [h, w] uint8, squared; at most REACH * REACH.
    """
    start = np.where(mask, 0, REACH * REACH).astype(np.uint8)
    squares = start.copy()
    _spread(start, squares)
    # Copy the transpose: shifting whole rows is twice as fast.
    squares = np.ascontiguousarray(squares.T)
    nearest = squares.copy()
    _spread(squares, nearest)
    return np.ascontiguousarray(nearest.T)


def _spread(start: np.ndarray, nearest: np.ndarray) -> None:
    """Lowers `nearest` where another pixel of the same column is nearer.

    Args:
        start: [h, w], squared distances without a step along the first axis.
        nearest: [h, w], squared distances; overwritten.
    """
    step = np.empty_like(start)
    for shift in range(1, REACH):
        # At most 81 + 64: no overflow.
        np.add(start, np.uint8(shift * shift), out=step)
        np.minimum(nearest[shift:], step[:-shift], out=nearest[shift:])
        np.minimum(nearest[:-shift], step[shift:], out=nearest[:-shift])
