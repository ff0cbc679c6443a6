"""Checks that test images have the background that the model expects."""

from absl import logging

from tfrecord_builder.records.background import DARK, LIGHT, Sides


def warn(sides: Sides, trained_for: str) -> None:
    """Logs a warning if images have another background than the model expects.

    It is not an error: the builder's --background may have overruled the
    background that was found in the pixels, and a model does not record this.

    Args:
        sides: Counts of a sample of the images.
        trained_for: The background that the model expects, LIGHT or DARK.
    """
    other = LIGHT if trained_for == DARK else DARK
    if sides.have(other):
        logging.warning(
            "background: %s in %d of %d sampled test images, but the model "
            "was trained on %s ones, and treats the paper of these images as "
            "ink: their predictions are useless. Invert them (255 - pixel), "
            "or give a --model that was trained on such images",
            other,
            sides.dark if other == DARK else sides.light,
            sides.images,
            trained_for,
        )
