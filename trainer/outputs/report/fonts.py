"""The report's letters: a subset of Hind Siliguri inside the page.

Not every machine has a font that joins Bengali letters into conjuncts. The
page carries one, cut down to the characters it shows; characters that the
font lacks are left to the reader's own fonts.
"""

import base64
import io
import logging
import string
import unicodedata

import fontpkg
from fontTools import subset
from fontTools.ttLib import TTFont

FAMILY = "Hind Siliguri"
_WEIGHTS = (400, 600)
logging.getLogger("fontTools").setLevel(logging.WARNING)


def faces(text: str) -> str:
    """Returns @font-face rules for the characters of `text` and ASCII."""
    return "\n".join(
        f"@font-face{{font-family:'{FAMILY}';font-weight:{weight};"
        "font-display:block;"
        f"src:url(data:font/woff;base64,{_cut(weight, text)}) format('woff')}}"
        for weight in _WEIGHTS
    )


def _cut(weight, text):
    """Returns a WOFF with what shapes `text`, as base64."""
    font = TTFont(fontpkg.path(FAMILY, weight), recalcTimestamp=False)
    options = subset.Options()
    options.hinting = False
    options.layout_features = ["*"]  # They make the conjuncts.
    cutter = subset.Subsetter(options)
    # Shapers draw a vowel sign of two parts, such as ৌ, from its parts.
    parts = unicodedata.normalize("NFD", text)
    cutter.populate(text=text + parts + string.printable)
    cutter.subset(font)
    font.flavor = "woff"
    data = io.BytesIO()
    font.save(data)
    return base64.b64encode(data.getvalue()).decode()
