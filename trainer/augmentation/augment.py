"""Augmentation on the device: a function of images, labels and random numbers.

  warp (affine, elastic) -> stroke thickness -> erasing, grid -> mixing

Nothing here draws a random number. The input pipeline gives every example a row
of numbers in [0, 1), a function of (seed, step, row). So an example is
augmented in the same way for any number of replicas, threads or resumes. Images
are not flipped, because a flip would change the grapheme.
"""

import dataclasses
from collections.abc import Mapping

import tensorflow as tf

from storage import UserError
from trainer.augmentation import masks, mixing, sampling, strokes, warp
from trainer.augmentation.sampling import Sampler

_FIELD = masks.COSINES**2
# The use of each column of the random numbers, and its number of columns.
COLUMNS = {
    "rotation": 1,
    "scale_y": 1,
    "scale_x": 1,
    "shift_y": 1,
    "shift_x": 1,
    "shear": 1,
    "wave_y": _FIELD,
    "wave_x": _FIELD,
    "thickness": 1,
    "erase": 1,
    "erase_area": 1,
    "erase_y": 1,
    "erase_x": 1,
    "grid": 1,
    "grid_period": 1,
    "grid_y": 1,
    "grid_x": 1,
    "partner": 1,
    "mix": 1,
    "mix_part": 1,
    "mix_y": 1,
    "mix_x": 1,
    "mix_wave": _FIELD,
}
NUM_DRAWS = sum(COLUMNS.values())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Strengths of the augmentation steps; 0 turns a step off.

    The values of a run are its flags.

    Attributes:
        rotation: Largest rotation, in degrees.
        scale: Largest relative change of the height and of the width.
        shift: Largest shift, as a fraction of the height and of the width.
        shear: Largest horizontal shear, as a slope.
        elastic: Root mean square of a smooth displacement, as a fraction of the
            height and of the width.
        thickness: Largest weight of a dilation or erosion by 3 x 3 pixels.
        erasing: Probability that a box is erased.
        gridmask: Probability that a grid of squares is erased.
        cutmix: Probability that a box is replaced by that of the partner.
        mixup: Probability that an example is blended with its partner.
        fmix: Probability that blobs are replaced by those of the partner.
        mix_group: Number of consecutive examples that are mixed together.
        mix_steps: Number of steps of the run that mix; None: all steps.
        sampler: Reads pixels for the warp; depends on the devices.
    """

    rotation: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    shear: float = 0.0
    elastic: float = 0.0
    thickness: float = 0.0
    erasing: float = 0.0
    gridmask: float = 0.0
    cutmix: float = 0.0
    mixup: float = 0.0
    fmix: float = 0.0
    mix_group: int
    mix_steps: int | None = None
    sampler: Sampler = sampling.by_gathers

    def __post_init__(self) -> None:
        total = sum(self._mixing.values())
        if total > 1.0:
            raise UserError(
                f"--cutmix={self.cutmix}, --mixup={self.mixup} and --fmix="
                f"{self.fmix} sum to {total:.3g}: an example is mixed in at "
                "most one way, so their sum must not exceed 1"
            )

    def __call__(
        self,
        images: tf.Tensor,
        labels: Mapping[str, tf.Tensor],
        draws: tf.Tensor,
        step: tf.Tensor | int = 0,
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Returns augmented images and their labels.

        Args:
            images: [P, h, w, 1] float32 ink in [0, 1], background 0; P must be
                a multiple of `mix_group`.
            labels: For each output, [P, C] float32 rows of probabilities.
            draws: [P, NUM_DRAWS] float32 in [0, 1).
            step: Scalar, the step of the run.
        """
        drawn = name_draws(draws)
        geometry = {
            name: getattr(self, name)
            for name in ("rotation", "scale", "shift", "shear", "elastic")
        }
        if any(geometry.values()):
            images = warp.warp(images, drawn, **geometry, sampler=self.sampler)
        if self.thickness:
            amount = (2.0 * drawn["thickness"] - 1.0) * self.thickness
            images = strokes.thicken(images, amount)
        if self.erasing:
            images = strokes.erase(
                images,
                chosen=drawn["erase"] < self.erasing,
                area=drawn["erase_area"],
                y=drawn["erase_y"],
                x=drawn["erase_x"],
            )
        if self.gridmask:
            images = strokes.erase_grid(
                images,
                chosen=drawn["grid"] < self.gridmask,
                period=drawn["grid_period"],
                y=drawn["grid_y"],
                x=drawn["grid_x"],
            )
        if self._mixing:
            return mixing.mix(
                images,
                labels,
                drawn,
                probabilities=self._probabilities(step),
                group=self.mix_group,
            )
        return images, dict(labels)

    @property
    def _mixing(self) -> dict[str, float]:
        kinds = ("cutmix", "mixup", "fmix")
        return {k: getattr(self, k) for k in kinds if getattr(self, k)}

    def _probabilities(
        self, step: tf.Tensor | int
    ) -> Mapping[str, tf.Tensor | float]:
        """Returns the probability of each kind of mixing, 0 in cool-down."""
        if self.mix_steps is None:
            return self._mixing
        on = tf.cast(tf.cast(step, tf.int64) < self.mix_steps, tf.float32)
        return {kind: on * value for kind, value in self._mixing.items()}


def name_draws(draws: tf.Tensor) -> dict[str, tf.Tensor]:
    """Returns the columns of [P, NUM_DRAWS] by name, [P] or [P, columns]."""
    parts = tf.split(draws, list(COLUMNS.values()), axis=1)
    return {
        name: part[:, 0] if part.shape[1] == 1 else part
        for name, part in zip(COLUMNS, parts, strict=True)
    }
