"""Chooses the background of a dataset: from the flag, or from a sample."""

from absl import logging

from tfrecord_builder.records.background import DARK, LIGHT, Sides

AUTO = "auto"


def choose(wanted: str, sides: Sides) -> str:
    """Returns LIGHT or DARK, and prints the reason in one line.

    Args:
        wanted: The flag --background.
        sides: Counts of a sample of the images.
    """
    found = (
        f"light in {sides.light:,} and dark in {sides.dark:,} of "
        f"{sides.images:,} images of a sample"
    )
    if wanted != AUTO:
        print(f"background: {wanted}, from --background; {found}")
    elif not sides.light + sides.dark:
        logging.warning(
            "background: unclear in all %d images of a sample, so it is "
            "recorded as light; if it is dark, give --background=dark",
            sides.images,
        )
    elif sides.have(LIGHT) and sides.have(DARK):
        logging.warning(
            "background: mixed, %s; it is recorded as %s, and the model will "
            "treat the paper of the other images as ink: invert those images, "
            "or give --background=light or dark",
            found,
            sides.most,
        )
    else:
        print(f"background: {sides.most}; {found}", flush=True)
    return sides.most if wanted == AUTO else wanted
