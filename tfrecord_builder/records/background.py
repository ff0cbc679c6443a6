"""Which side is the background of an image: light, or dark.

The background is the level that most of the border has; the ink is what
differs from it. Where the ink is darker the background is light. Levels are
compared with one another only, so paper may be gray, and ink faint.
"""

import dataclasses

import numpy as np

from storage import UserError

LIGHT = "light"
DARK = "dark"
# How many times as much as the other side's are the squares of the ink. Below
# that an image is unclear: noise, a photograph, nothing drawn.
_CLEAR = 4


@dataclasses.dataclass(frozen=True)
class Sides:
    """How many images have a light or a dark background, or no clear one."""

    light: int = 0
    dark: int = 0
    unclear: int = 0

    @property
    def images(self) -> int:
        return self.light + self.dark + self.unclear

    @property
    def most(self) -> str:
        """LIGHT or DARK; LIGHT where there are as many of either."""
        return DARK if self.dark > self.light else LIGHT

    def __add__(self, other: "Sides") -> "Sides":
        return Sides(
            self.light + other.light,
            self.dark + other.dark,
            self.unclear + other.unclear,
        )


def count(border: np.ndarray, pixels: np.ndarray) -> Sides:
    """Counts images by their background, in whole numbers alone.

    Args:
        border: [P, N] uint8, pixels at the border of N images.
        pixels: [Q, N] uint8, pixels of all parts of them.
    """
    level = np.sort(border, axis=0)[len(border) // 2].astype(np.int64)
    difference = pixels - level
    # Squares: a shadow over half of the paper weighs less than a stroke.
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
    """Raises UserError for what is neither LIGHT nor DARK."""
    if value not in (LIGHT, DARK):
        raise UserError(f"background {value!r}: expected {LIGHT!r} or {DARK!r}")
