"""Draws a sheet of augmented images, to be looked at.

    python benchmarks/contact_sheet.py --data_dir=RECORDS --output=sheet.png

A row for each augmentation that trainer/main.py has a flag for, at a strength
that shows, and one for all of them; the first row is what the backbone sees
without any. Columns are the same eight images in every row.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from absl import app, flags  # noqa: E402
from PIL import Image, ImageDraw  # noqa: E402

from tfrecord_builder import dataset_info  # noqa: E402
from trainer import augment, input_pipeline, preprocessing  # noqa: E402

ROWS = {
    "none": {},
    "affine": {"rotation": 10.0, "scale": 0.12, "shift": 0.08, "shear": 0.15},
    "elastic": {"elastic": 0.03},
    "thickness": {"thickness": 0.7},
    "erasing": {"erasing": 1.0},
    "gridmask": {"gridmask": 1.0},
    "cutmix": {"cutmix": 1.0},
    "mixup": {"mixup": 1.0},
    "fmix": {"fmix": 1.0},
}
_TOGETHER = {
    "rotation": 8.0,
    "scale": 0.12,
    "shift": 0.06,
    "shear": 0.15,
    "elastic": 0.02,
    "thickness": 0.5,
    "erasing": 0.3,
    "cutmix": 0.3,
    "mixup": 0.1,
    "fmix": 0.3,
}
_OFF = dict.fromkeys(("rotation", "scale", "shift", "shear", "cutmix"), 0.0)
_COLUMNS = 8
_MARGIN = 4  # Pixels between two images.
_LABEL = 70  # Pixels of a row's name.

FLAGS = flags.FLAGS
_DATA = flags.DEFINE_string("data_dir", None, "Records.", required=True)
_OUTPUT = flags.DEFINE_string("output", "sheet.png", "PNG to write.")
_SIZE = flags.DEFINE_integer("size", 64, "Side of what the backbone sees.")
_ZOOM = flags.DEFINE_integer("zoom", 2, "Pixels a pixel is drawn with.", 1)


def main(unused_argv):
    info = dataset_info.read(_DATA.value)
    paths = input_pipeline.shard_paths(info, _DATA.value, info.folds[:1])
    stored = next(
        input_pipeline.make_eval_dataset(
            info, paths, batch_size=_COLUMNS
        ).as_numpy_iterator()
    )["image"]
    images = preprocessing.Preprocessing(_SIZE.value, _SIZE.value, crop=True)(
        tf.constant(stored)
    )
    draws = input_pipeline.step_draws(
        0, tf.constant(0, tf.int64), (_COLUMNS, augment.NUM_DRAWS)
    )
    rows = {}
    for name, strengths in {**ROWS, "all": _TOGETHER}.items():
        augmentation = augment.Augmentation(
            **_OFF | strengths, mix_group=_COLUMNS
        )
        rows[name] = augmentation(images, {}, draws)[0].numpy()[..., 0]
    draw_sheet(rows, zoom=_ZOOM.value).save(_OUTPUT.value)
    print(f"Wrote {_OUTPUT.value}")


def draw_sheet(rows: dict[str, np.ndarray], *, zoom: int) -> Image.Image:
    """Returns rows of images, [columns, h, w] ink in [0, 1], by name."""
    columns, height, width = next(iter(rows.values())).shape
    step_y, step_x = height * zoom + _MARGIN, width * zoom + _MARGIN
    sheet = Image.new("L", (_LABEL + columns * step_x, len(rows) * step_y), 128)
    pen = ImageDraw.Draw(sheet)
    for row, (name, images) in enumerate(rows.items()):
        pen.text((_MARGIN, row * step_y + step_y // 2), name, fill=255)
        for column, image in enumerate(images):
            pixels = 255 - np.round(255 * np.clip(image, 0, 1)).astype(np.uint8)
            pixels = pixels.repeat(zoom, axis=0).repeat(zoom, axis=1)
            place = (_LABEL + column * step_x, row * step_y)
            sheet.paste(Image.fromarray(pixels), place)
    return sheet


if __name__ == "__main__":
    app.run(main)
