"""Draws one image: a function of (seed, split, index, text) alone."""

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from pretraining import hands
from pretraining.hands import Hand
from pretraining.strokes import Strokes, StrokesOf
from sample_data import fonts, handwriting, noise, paper, placement, writers
from sample_data.noise import Noise
from sample_data.paper import Sheets
from sample_data.placement import Pose

_STREAM = 21  # Of random numbers; never one of the sample data's.
_SWAY_STREAM = 22


class Desk:
    """Where images are drawn, each by a hand of its own."""

    def __init__(
        self,
        *,
        font_paths: Sequence[pathlib.Path],
        shares: Sequence[float],
        designs: Mapping[str, Sequence[int]],
        seed: int,
    ) -> None:
        """Opens the fonts.

        Args:
            font_paths: The designs.
            shares: How many images each is for, beside the others.
            designs: For each text the fonts that it may be drawn with.
            seed: Of all that is drawn.
        """
        self._seed = seed
        self._shares = np.asarray(shares, np.float64)
        self._designs = designs
        self._strokes = StrokesOf(font_paths)
        self._noise = _SwayingNoise(seed)
        self._sheets = Sheets(seed)

    def draw(self, split: int, index: int, text: str) -> np.ndarray:
        """Draws image `index` of a split: [137, 236] uint8, dark on light."""
        rng = np.random.default_rng((self._seed, _STREAM, split, index))
        choice = np.asarray(self._designs[text])
        shares = self._shares[choice]
        font = int(rng.choice(choice, p=shares / shares.sum()))
        hand = hands.make_hand(font, rng)
        strokes = self._strokes.get(font, text)
        pose = placement.choose_pose(strokes.field, hand.writer, rng)
        distance = _lay_path(strokes, pose, hand, self._noise, rng)
        ink = handwriting.ink_path(distance, hand.writer, self._noise, rng)
        sheet = int(rng.integers(writers.NUM_WRITERS))
        fibres = noise.cut(self._noise.grain, paper.HEIGHT, paper.WIDTH, rng)
        return self._sheets.scan(ink, pose.window, sheet, fibres, rng)


class _SwayingNoise(Noise):
    """Noise whose bend is mostly in long waves, of about 110 pixels.

    These change the sizes and distances of a grapheme's parts, as no two
    hands have them the same, and leave its strokes smooth.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        rng = np.random.default_rng((seed, _SWAY_STREAM))
        self.bend = np.stack(
            [
                np.float32(0.85) * noise.waves(rng, 6)
                + np.float32(0.4) * noise.waves(rng, 13)
                + np.float32(0.08) * noise.waves(rng, 34)
                for _ in range(24)
            ]
        )


def _lay_path(
    strokes: Strokes,
    pose: Pose,
    hand: Hand,
    tiles: Noise,
    rng: np.random.Generator,
) -> np.ndarray:
    """Lays the path on the sheet: [rows, columns] float32, pixels from it."""
    field = strokes.field
    y, x = handwriting.bend_sheet(pose, hand.writer.wobble, tiles, rng)
    x += np.float32((field.left + field.right) / 2)
    line_y = y - np.float32(strokes.line - hand.line_rise)
    line_y -= np.float32(hand.line_tilt) * (x - np.float32(field.left))
    line_x = x.copy()
    upper = np.minimum(y, 0)
    y += upper * np.float32(1 / pose.above - 1)
    x += upper * np.float32(hand.lean_above)
    under = np.maximum(y - np.float32(fonts.BODY), 0)
    y += under * np.float32(1 / pose.below - 1)
    x += under * np.float32(hand.lean_below)
    y += np.float32(field.baseline - fonts.BODY)
    distance = handwriting.sample_field(field.distance, y, x)
    line_y *= line_y
    overhang = (
        pose.overhang[0] / pose.scale_x,
        pose.overhang[1] / pose.scale_x,
    )
    for start, stop in hands.choose_headline(strokes.spans, overhang, rng):
        beyond = np.maximum(line_x - np.float32(stop), start - line_x)
        np.maximum(beyond, 0, out=beyond)
        beyond *= beyond
        beyond += line_y
        np.minimum(distance, np.sqrt(beyond, out=beyond), out=distance)
    distance *= np.float32((pose.scale_x + pose.scale_y) / 2)
    # A stretch upward would broaden the strokes that run across.
    distance += distance * (upper < 0) * np.float32((pose.above - 1) / 2)
    return distance
