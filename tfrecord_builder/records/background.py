"""Decides whether the background of an image is light or dark.

The background is the gray level of most of the border; the ink is what differs
from it. If the ink is darker, the background is light. Levels are only compared
with each other, so paper may be gray, and ink faint.
"""

import dataclasses

import numpy as np

from storage import UserError

LIGHT = "light"
DARK = "dark"
# The sum of squares of one side must be 4 times that of the other. If not, the
# image is unclear: noise, a photograph, or an empty page.
_CLEAR = 4
_MIXED = 20  # One of 20 images with another background is not chance.


@dataclasses.dataclass(frozen=True)
class Sides:
    """The numbers of images with a light, a dark, or no clear background."""

    light: int = 0
    dark: int = 0
    unclear: int = 0

    @property
    def images(self) -> int:
        return self.light + self.dark + self.unclear

    @property
    def most(self) -> str:
        """LIGHT or DARK, the more frequent; LIGHT if both are equal."""
        return DARK if self.dark > self.light else LIGHT

    def have(self, side: str) -> bool:
        """Returns whether more images have this side than by chance."""
        count = self.dark if side == DARK else self.light
        return count * _MIXED > self.light + self.dark

    def __add__(self, other: "Sides") -> "Sides":
        return Sides(
            self.light + other.light,
            self.dark + other.dark,
            self.unclear + other.unclear,
        )


def count(border: np.ndarray, pixels: np.ndarray) -> Sides:
    """Counts images by their background, in exact integer arithmetic.

    Args:
        border: [P, N] uint8, pixels at the border of N images.
        pixels: [Q, N] uint8, pixels of all parts of them.
    """
    level = np.sort(border, axis=0)[len(border) // 2].astype(np.int64)
    difference = pixels - level
    # With squares a shadow over half of the paper counts less than a stroke.
    above = np.square(np.maximum(difference, 0)).sum(axis=0)
    below = np.square(np.minimum(difference, 0)).sum(axis=0)
    light = int((below > _CLEAR * above).sum())
    dark = int((above > _CLEAR * below).sum())
    return Sides(light, dark, len(level) - light - dark)


def of_image(image: np.ndarray) -> str:
    """Returns LIGHT or DARK for one [H, W] uint8 image; LIGHT if unclear."""
    border = [image[0], image[-1], image[:, 0], image[:, -1]]
    return count(np.concatenate(border)[:, None], image.reshape(-1, 1)).most


def check(value: object) -> None:
    """Raises UserError if a value is neither LIGHT nor DARK."""
    if value not in (LIGHT, DARK):
        raise UserError(f"background {value!r}: expected {LIGHT!r} or {DARK!r}")
