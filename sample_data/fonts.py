"""Fonts, and a grapheme's strokes as a field of distances to a pen's path.

A printed letter becomes a pen's path: the glyph is drawn large, thinned to
its middle line, and kept as the distance of every pixel from that line. Any
pen width then is one threshold, whatever the weight of the font.
"""

import dataclasses
import functools
import hashlib
import pathlib
import unicodedata

import fontpkg
import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

import storage

BODY = 64  # pixels from headline to baseline in a field
REACH = 11  # pixels; distances beyond are cut
_MARGIN = REACH + 1
_SAMPLE = "\u0995"  # KA, the letter that a font is measured by
_WEIGHTS = (300, 400, 500, 600, 700)


@dataclasses.dataclass(frozen=True)
class Field:
    """The pen's path of one grapheme.

    Attributes:
        distance: [h, w] uint8, 16 steps a pixel, from the path; 255 is far.
        baseline: Row of the baseline; the headline lies BODY rows above it.
        left, right, top, bottom: Box around the path, in rows and columns.
        headline: Whether the path has the line that letters hang from.
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
        storage.UserError: Shaping is missing, or font_dir holds no such font.
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
            raise storage.UserError(
                f"--font_dir={font_dir}: expected a folder with .ttf or .otf "
                "files, found none there"
            )
        for path in added:
            _check_letters(path)
        paths += added
    return paths


def check_shaping() -> None:
    """Raises storage.UserError where Pillow cannot shape conjuncts."""
    for feature, remedy in (
        ("raqm", "install Pillow from its wheel: pip install pillow"),
        ("fribidi", "install the library: apt-get install libfribidi0"),
    ):
        if not features.check(feature):
            raise storage.UserError(
                f"Pillow finds no {feature}, which it needs to join Bengali "
                f"letters into conjuncts; {remedy}"
            )


def digest(paths: list[pathlib.Path]) -> str:
    """The sha256 over the fonts' bytes, in order."""
    whole = hashlib.sha256()
    for path in paths:
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


class Fields:
    """The fields of graphemes in a list of fonts, each made once."""

    def __init__(self, paths: list[pathlib.Path]):
        self._fonts = [_load(path) for path in paths]
        # About 20 KB a field: 160 MB at most.
        self.get = functools.lru_cache(maxsize=8192)(self._make)

    def __len__(self) -> int:
        return len(self._fonts)

    def _make(self, font: int, text: str) -> Field:
        mask, baseline = render(self._fonts[font], text)
        distance = _distance_from(_middle_line(mask > 127))
        rows = np.flatnonzero((distance == 0).any(1))
        columns = np.flatnonzero((distance == 0).any(0))
        if not len(rows):  # nothing drawn: an empty sheet
            rows, columns = np.array([baseline]), np.array([_MARGIN])
        at_headline = slice(baseline - BODY, baseline - BODY + BODY // 5)
        covered = (distance[at_headline] == 0).any(0).mean()
        return Field(
            np.minimum(distance * 16, 255).astype(np.uint8),
            baseline,
            int(columns[0]),
            int(columns[-1]),
            int(rows[0]),
            int(rows[-1]),
            bool(covered > 0.5),
        )


def render(font: ImageFont.FreeTypeFont, text: str) -> tuple[np.ndarray, int]:
    """Draws a text: ([h, w] uint8, 255 is ink; the row of the baseline)."""
    if unicodedata.category(text[0]).startswith("M"):
        text = "\u00a0" + text  # else a sign alone gets a dotted circle
    left, top, right, bottom = font.getbbox(text, anchor="ls", language="bn")
    # Room for the headline even where a sign lies wholly below or above it.
    top, bottom = min(top, -BODY), max(bottom, 1)
    size = (right - left + 2 * _MARGIN, bottom - top + 2 * _MARGIN)
    image = Image.new("L", size)
    origin = (_MARGIN - left, _MARGIN - top)
    ImageDraw.Draw(image).text(
        origin, text, 255, font, anchor="ls", language="bn"
    )
    return np.asarray(image), origin[1]


def _load(path: pathlib.Path) -> ImageFont.FreeTypeFont:
    """Opens a font at the size where KA is BODY pixels tall."""

    def sized(size: float) -> ImageFont.FreeTypeFont:
        return ImageFont.truetype(
            path, size, layout_engine=ImageFont.Layout.RAQM
        )

    top = sized(1000).getbbox(_SAMPLE, anchor="ls")[1]
    return sized(1000 * BODY / -top)


def _check_letters(path: pathlib.Path) -> None:
    """Raises storage.UserError where a font cannot draw Bengali."""
    try:
        font = ImageFont.truetype(path, 64)
        letters, missing = (
            font.getmask(text).getbbox() and bytes(font.getmask(text))
            for text in (_SAMPLE, "\U0010fffd")
        )
    except OSError as error:
        raise storage.UserError(f"{path}: not a readable font") from error
    if letters is None or letters == missing:
        raise storage.UserError(
            f"{path}: the font has no Bengali letters; take it out of "
            "--font_dir"
        )


def _middle_line(ink: np.ndarray) -> np.ndarray:
    """Thins strokes to their middle line.

    There the distance from the paper has a ridge, where its slope is far
    below 1. Toward a corner the slope is 0.7 or more, so no spurs grow.

    Args:
        ink: [h, w] bool.

    Returns:
        [h, w] bool; gaps are shorter than a pen's width.
    """
    depth = _distance_from(~ink)
    slope_y = np.zeros_like(depth)
    slope_x = np.zeros_like(depth)
    slope_y[1:-1] = depth[2:] - depth[:-2]
    slope_x[:, 1:-1] = depth[:, 2:] - depth[:, :-2]
    flat = slope_y * slope_y + slope_x * slope_x < 4 * 0.35
    return ink & flat


def _distance_from(mask: np.ndarray) -> np.ndarray:
    """Distance to the nearest True, exact up to REACH pixels, then cut.

    Args:
        mask: [h, w] bool.

    Returns:
        [h, w] float32.
    """
    rows = np.where(mask, 0, REACH).astype(np.uint16)
    for y in range(1, len(rows)):  # in its column, from above, then below
        np.minimum(rows[y], rows[y - 1] + 1, out=rows[y])
    for y in range(len(rows) - 2, -1, -1):
        np.minimum(rows[y], rows[y + 1] + 1, out=rows[y])
    squares = rows * rows
    nearest = squares.copy()
    for shift in range(1, REACH):
        step = squares + np.uint16(shift * shift)
        np.minimum(nearest[:, shift:], step[:, :-shift], out=nearest[:, shift:])
        np.minimum(
            nearest[:, :-shift], step[:, shift:], out=nearest[:, :-shift]
        )
    return np.sqrt(nearest, dtype=np.float32)
