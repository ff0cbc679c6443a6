"""Which graphemes a font joins as writers do.

A font without a conjunct's own glyph draws its consonants beside each other:
the first with a visible hasanta, or in a half form. A joiner after the hasanta
asks for just that (Unicode, chapter 12.2), so where the text looks the same
with it, the font has no conjunct.
"""

import concurrent.futures
import hashlib
import json
import multiprocessing
import pathlib
from collections.abc import Sequence

from PIL import ImageFont

import storage
from sample_data import fonts

_HASANTA, _NON_JOINER, _JOINER = "\u09cd", "\u200c", "\u200d"
_SIZE = 20  # pixels; enough to tell two glyphs apart
_SEPARATE, _HALF, _JOINED = range(3)


def find_designs(
    paths: Sequence[pathlib.Path], texts: Sequence[str], folder: pathlib.Path
) -> dict[str, tuple[int, ...]]:
    """Returns for each text the fonts that draw it best.

    That is joined; where no font has the conjunct, in half forms; a visible
    hasanta where there is nothing else.

    Args:
        folder: Where the answer is kept: it takes some seconds a font.
    """
    path = _answers(paths, texts, folder)
    if not path.exists():
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(mp_context=context) as pool:
            grades = list(pool.map(grade, paths, [texts] * len(paths)))
        storage.write_whole(path, json.dumps(grades).encode())
    grades = json.loads(path.read_bytes())
    designs = {}
    for text, column in zip(texts, zip(*grades, strict=True), strict=True):
        best = max(column)
        designs[text] = tuple(i for i, g in enumerate(column) if g == best)
    return designs


def _answers(
    paths: Sequence[pathlib.Path], texts: Sequence[str], folder: pathlib.Path
) -> pathlib.Path:
    """Returns the file that keeps the grades of these fonts and texts."""
    key = hashlib.sha256("\n".join(texts).encode())
    for font in paths:
        key.update(font.read_bytes())
    return folder / f"designs_{key.hexdigest()[:16]}.json"


def grade(font: pathlib.Path, texts: Sequence[str]) -> list[int]:
    """Grades how a font draws texts: 0 separate, 1 half forms, 2 joined."""
    opened = ImageFont.truetype(
        font, _SIZE, layout_engine=ImageFont.Layout.RAQM
    )
    return [_grade(opened, text) for text in texts]


def _grade(font: ImageFont.FreeTypeFont, text: str) -> int:
    drawn = _draw(font, text)
    grades = [_JOINED]
    for index, letter in enumerate(text):
        # After RA and a joiner hasanta starts a ya-phala that all fonts have.
        if letter == _HASANTA and text[index - 1] != _JOINER:
            head, tail = text[: index + 1], text[index + 1 :]
            if _draw(font, head + _NON_JOINER + tail) == drawn:
                return _SEPARATE
            if _draw(font, head + _JOINER + tail) == drawn:
                grades.append(_HALF)
    return min(grades)


def _draw(
    font: ImageFont.FreeTypeFont, text: str
) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(text, mode="1", language="bn")
    return mask.size, fonts.pixels(mask)
