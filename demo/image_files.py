"""Image files as a model takes them."""

import io

import numpy as np
from PIL import Image, ImageOps

from storage import UserError
from tfrecord_builder.records import background

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MAX_PIXELS = 16 << 20


def read(data: bytes, size: tuple[int, int], paper: str) -> np.ndarray:
    """Returns an image file as the model takes it: gray, on its paper.

    One on the other paper, such as what is drawn for a model of white ink on
    black, is inverted.

    Args:
        data: The file's bytes.
        size: Height and width to fit it into, its proportions kept.
        paper: The background that the model takes, "light" or "dark".

    Returns:
        [H, W] uint8.

    Raises:
        storage.UserError: Not an image, or too large a one.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UserError(
                    f"the image has {image.width} x {image.height} pixels: "
                    f"expected at most {MAX_PIXELS >> 20} million"
                )
            image = ImageOps.exif_transpose(image).convert("RGBA")
    except UserError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise UserError(
            f"not a whole image: expected one of {', '.join(FORMATS)}"
        ) from None
    white = Image.new("RGBA", image.size, "white")
    gray = Image.alpha_composite(white, image).convert("L")
    if background.of_image(np.asarray(gray)) != paper:
        gray = ImageOps.invert(gray)
    height, width = size
    fill = 255 if paper == background.LIGHT else 0
    return np.asarray(ImageOps.pad(gray, (width, height), color=fill))
