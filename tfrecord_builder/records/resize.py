"""How the builder resizes an image before it is stored; predict does the same.

The specification is plain data, so that dataset_info.json and a model can store
it. None: the source's pixels are stored unchanged; otherwise `{"method":
"area", "height": h, "width": w}`.
"""

import numpy as np

from storage import UserError

METHOD = "area"


def make_spec(
    source: tuple[int, int], stored: tuple[int, int]
) -> dict[str, str | int] | None:
    """Returns the resize from one (height, width) to another; None for none."""
    if source == stored:
        return None
    return {"method": METHOD, "height": stored[0], "width": stored[1]}


def resize_images(images: np.ndarray, spec: dict | None) -> np.ndarray:
    """Resizes images.

    Each new pixel is the mean of the area of the old image that it covers, with
    fractions of pixels weighted (as OpenCV's INTER_AREA). If the image becomes
    larger, pixels are repeated.

    Args:
        images: [N, H, W] uint8.
        spec: See the module; None returns `images` themselves.

    Returns:
        [N, height, width] uint8, rounded half up.
    """
    if spec is None:
        return images
    if spec["method"] != METHOD:
        raise UserError(
            f"resize method {spec['method']!r}: expected {METHOD!r}"
        )
    rows = area_weights(images.shape[1], spec["height"])
    columns = area_weights(images.shape[2], spec["width"])
    resized = np.empty((len(images), len(rows), len(columns)), np.uint8)
    # One image at a time: two small products that stay in the cache, and the
    # result cannot depend on the number of images in a call.
    for source, target in zip(images, resized, strict=True):
        mean = rows @ source.astype(np.float64) @ columns.T
        np.floor(mean + (0.5 + 1e-9), out=mean)
        target[...] = mean
    return resized


def area_weights(source: int, target: int) -> np.ndarray:
    """Returns [target, source] float64 weights of the mean of an area."""
    edges = np.arange(target + 1) * (source / target)
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(source)[None, :]
    overlap = np.minimum(high, pixel + 1) - np.maximum(low, pixel)
    return np.maximum(overlap, 0) * (target / source)
