"""Converts image files to the images that a model expects."""

import io

import numpy as np
from PIL import Image, ImageOps

from storage import UserError
from tfrecord_builder.records import background

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MAX_PIXELS = 16 << 20


def read(data: bytes, size: tuple[int, int], paper: str) -> np.ndarray:
    """Returns an image file as a gray image with the model's background.

    An image with the other background is inverted, for example a drawing in
    black on white for a model of white ink on black.

    Args:
        data: The file's bytes.
        size: Height and width to fit it into; its proportions are kept.
        paper: The background that the model expects, "light" or "dark".

    Returns:
        [H, W] uint8.

    Raises:
        storage.UserError: It is not an image, or has too many pixels.
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
            f"not a complete image: expected one of {', '.join(FORMATS)}"
        ) from None
    white = Image.new("RGBA", image.size, "white")
    gray = Image.alpha_composite(white, image).convert("L")
    if background.of_image(np.asarray(gray)) != paper:
        gray = ImageOps.invert(gray)
    height, width = size
    fill = 255 if paper == background.LIGHT else 0
    return np.asarray(ImageOps.pad(gray, (width, height), color=fill))
