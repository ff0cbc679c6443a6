"""The position, size and slant of a grapheme on its sheet."""

import dataclasses

import numpy as np

from sample_data import fonts, paper
from sample_data.fonts import Field
from sample_data.writers import Writer

_MOST_ABOVE, _MOST_BELOW = 52, 36  # pixels of the image


@dataclasses.dataclass(frozen=True)
class Pose:
    """The position of a grapheme on its sheet; lengths in image pixels."""

    across: float  # column of its middle
    headline: float  # row
    scale_x: float  # pixels per pixel of the field
    scale_y: float
    above: float
    below: float
    slant: float
    tilt: float  # rows per column
    overhang: tuple[float, float]  # of the headline, left and right
    window: tuple[slice, slice]  # rows and columns that ink can reach


def choose_pose(
    field: Field,
    writer: Writer,
    rng: np.random.Generator,
) -> Pose:
    """Chooses the position, size and slant of one grapheme."""
    jitter = np.exp(rng.normal(0, (0.08, 0.08, 0.1, 0.1))).tolist()
    scale_y = writer.body / fonts.BODY * jitter[0]
    scale_x = scale_y * writer.aspect * jitter[1]
    # A wide grapheme is made narrower, so that it fits on the sheet.
    half = (field.right - field.left) / 2
    scale_x = min(scale_x, 0.4 * paper.WIDTH / max(half, 1.0))
    slant = writer.slant + rng.normal(0, 0.05)
    tilt = rng.normal(0, 0.05)
    overhang = rng.exponential(writer.overhang, 2).tolist()

    # Signs above and below may be cut by the edge, but stay recognizable.
    rise = scale_y * max(field.baseline - fonts.BODY - field.top, 0)
    fall = scale_y * max(field.bottom - field.baseline, 0)
    above = min(writer.above * jitter[2], _MOST_ABOVE / max(rise, 1.0))
    below = min(writer.below * jitter[3], _MOST_BELOW / max(fall, 1.0))
    top = -rise * above
    bottom = scale_y * fonts.BODY + fall * below
    headline = min(rng.normal(41, 6.5), paper.HEIGHT - 0.9 * bottom)
    headline = max(headline, -0.92 * top)
    inset = 0.9 * half * scale_x
    across = min(max(rng.normal(113, 13), inset), paper.WIDTH - inset)

    left, right = (half * scale_x + over for over in overhang)
    margin = 3 * writer.wobble + 5
    lean = abs(slant) * max(bottom, -top) + margin
    drop = abs(tilt) * max(left, right) + margin
    return Pose(
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
            _span(
                headline + top - drop, headline + bottom + drop, paper.HEIGHT
            ),
            _span(across - left - lean, across + right + lean, paper.WIDTH),
        ),
    )


def _span(start: float, stop: float, size: int) -> slice:
    """Clips [start, stop) to at least one pixel of [0, size)."""
    first = min(max(int(start), 0), size - 1)
    return slice(first, max(min(int(stop) + 1, size), first + 1))
