"""Which background a dataset is recorded with: what is asked for, or found."""

from absl import logging

from tfrecord_builder.records.background import Sides

AUTO = "auto"
_MIXED = 20  # One image in so many on the other side is more than chance.


def choose(wanted: str, sides: Sides) -> str:
    """Returns LIGHT or DARK, and reports in one line why.

    Args:
        wanted: The flag --background.
        sides: Counts of a sample of the images.
    """
    found = (
        f"light in {sides.light:,} and dark in {sides.dark:,} of "
        f"{sides.images:,} images looked at"
    )
    if wanted != AUTO:
        print(f"background: {wanted}, as --background asks; {found}")
    elif not sides.light + sides.dark:
        logging.warning(
            "background: unclear in all of %d images looked at, so it is "
            "recorded as light; if it is dark, give --background=dark",
            sides.images,
        )
    elif min(sides.light, sides.dark) * _MIXED > sides.light + sides.dark:
        logging.warning(
            "background: mixed, %s; it is recorded as %s, and the model will "
            "take the paper of the others for ink: invert them, or give "
            "--background=light or dark",
            found,
            sides.most,
        )
    else:
        print(f"background: {sides.most}; {found}", flush=True)
    return sides.most if wanted == AUTO else wanted
