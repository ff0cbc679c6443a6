"""Draws the paper under the ink, and simulates a scanner."""

import dataclasses

import numpy as np

HEIGHT, WIDTH = 137, 236
_SHEET_STREAM = 4
_ACROSS = np.linspace(-1, 1, WIDTH, dtype=np.float32)
_DOWN = np.linspace(-1, 1, HEIGHT, dtype=np.float32)[:, None]


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A writer's sheet in one scanner; gray levels in [0, 255]."""

    level: float  # of the paper; above 255 the scan is pure white
    noise: float
    shadow: float  # change of the level from one side to the other
    frames: tuple[float, ...]  # level of a line on top, bottom, left, right
    #                            side; 0 if there is no line


def make_sheet(seed: int, number: int) -> Sheet:
    """Returns the random sheet of writer `number`."""
    rng = np.random.default_rng((seed, _SHEET_STREAM, number))
    white = rng.random() < 0.5
    framed = rng.random(4) < (0.03, 0.05, 0.05, 0.06)
    return Sheet(
        level=float(
            rng.normal(256.3, 0.8) if white else rng.normal(251.5, 2.2)
        ),
        noise=float(rng.uniform(1.0, 2.4)),
        shadow=float(rng.normal(0, 1.5)),
        frames=tuple(np.where(framed, rng.uniform(40, 200, 4), 0).tolist()),
    )


class Sheets:
    """The sheets of one seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._sheets: dict[int, Sheet] = {}

    def scan(
        self,
        ink: np.ndarray,
        window: tuple[slice, slice],
        number: int,
        fibres: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Puts ink on a writer's sheet and scans it.

        Args:
            ink: [rows, columns] float32 in [0, 1], 1 is black.
            window: The rows and columns of the sheet that have ink.
            number: The writer.
            fibres: [HEIGHT, WIDTH] float32, noise with standard deviation 1.

        Returns:
            [HEIGHT, WIDTH] uint8.
        """
        if number not in self._sheets:
            self._sheets[number] = make_sheet(self._seed, number)
        sheet = self._sheets[number]
        level, across, down = rng.normal(
            (sheet.level, sheet.shadow, 0), (0.7, 0.5, 0.7)
        ).astype(np.float32)
        light = fibres * np.float32(sheet.noise)
        light += across * _ACROSS
        light += down * _DOWN + level
        if rng.random() < 0.06:
            _add_speck(light, rng)
        add_frame(light, sheet.frames, rng)
        light[window] *= 1 - ink
        np.clip(light, 0, 255, out=light)
        light += 0.5
        return light.astype(np.uint8)


def _add_speck(light: np.ndarray, rng: np.random.Generator) -> None:
    """Adds a speck of dust of 1 to 3 pixels."""
    size = int(rng.integers(1, 4))
    y = int(rng.integers(HEIGHT - size))
    x = int(rng.integers(WIDTH - size))
    light[y : y + size, x : x + size] -= rng.uniform(30, 150)


def add_frame(
    light: np.ndarray, levels: tuple[float, ...], rng: np.random.Generator
) -> None:
    """Adds a part of the form's printed box along some sides."""
    sides = (light, light[::-1], light.T, light.T[::-1])
    for side, level in zip(sides, levels, strict=True):
        if level and rng.random() < 0.6:
            rows = int(rng.integers(1, 4))
            lines = side[:rows]
            lines -= (255 - level) * rng.uniform(0.4, 1)
