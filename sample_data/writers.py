"""The habits of the writers."""

import dataclasses
import math

import numpy as np

NUM_WRITERS = 3000
_STREAM = 2  # Other random numbers than those of the images.


@dataclasses.dataclass(frozen=True)
class Writer:
    """The habits of one writer; lengths in pixels of the image."""

    font: int
    body: float  # from headline to baseline
    aspect: float  # width relative to height
    slant: float  # columns per row
    above: float  # stretch of the part above the headline
    below: float  # stretch of the part below the baseline
    overhang: float  # mean length of the headline outside the letters
    wobble: float  # how far strokes deviate
    pen: float  # width of a stroke
    darkness: float  # of the ink, in [0, 1]
    hollow: float  # how much lighter a stroke's middle is
    grain: float  # speckle of the ink
    softness: float  # width of a stroke's edge
    pressure: float = 0.1  # how much a stroke's width changes along it


def make_writer(seed: int, number: int, num_fonts: int) -> Writer:
    """Returns the random habits of writer `number`."""
    rng = np.random.default_rng((seed, _STREAM, number))
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
