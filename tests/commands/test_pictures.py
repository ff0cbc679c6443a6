"""A run on drawn images, killed and resumed, as README's pictures show it.

Each test looks at one thing that the user sees, and keeps a picture of it in
$PICTURES_DIR, by default .data/pictures. README's own are made by

    PICTURES_DIR=docs scripts/test.sh --full tests/commands/test_pictures.py
"""

import csv
import io
import json
import os
import pathlib
import subprocess
import sys

import boards
import browser
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageDraw

from tfrecord_builder.records import dataset_info
from trainer.augmentation import augment
from trainer.augmentation.augment import Augmentation
from trainer.models.preprocessing import Preprocessing
from trainer.stream import eval_dataset, input_pipeline

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = pathlib.Path(os.environ.get("PICTURES_DIR", ROOT / ".data/pictures"))
MOST_BYTES = 200_000
# Of the report: width of the window, dark, the first heading in it.
PANELS = (
    (1120, False, "Training report"),
    (1120, True, "Most frequent confusions"),
    (390, False, "Recall of each class"),
)
PANEL_HEIGHT = 1354
# Of বা, as shares of the paper's width and height.
STROKES = (
    ((0.24, 0.24), (0.80, 0.22)),
    ((0.53, 0.24), (0.54, 0.82)),
    ((0.53, 0.30), (0.40, 0.42), (0.27, 0.55), (0.40, 0.66), (0.54, 0.76)),
    ((0.73, 0.23), (0.73, 0.60), (0.745, 0.83)),
)
# Augmentations at strengths that show.
STRENGTHS = {
    "none": {},
    "affine": {"rotation": 10.0, "scale": 0.12, "shift": 0.08, "shear": 0.15},
    "elastic": {"elastic": 0.03},
    "thickness": {"thickness": 0.7},
    "erasing": {"erasing": 1.0},
    "gridmask": {"gridmask": 1.0},
    "cutmix": {"cutmix": 1.0},
    "mixup": {"mixup": 1.0},
    "fmix": {"fmix": 1.0},
    "all": {
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
    },
}
OFF = dict.fromkeys(("rotation", "scale", "shift", "shear", "cutmix"), 0.0)
SIDE, COLUMNS, MARGIN, LABEL = 64, 8, 4, 70  # The last two in pixels.


def keep(picture: Image.Image, name: str) -> None:
    """Writes a picture."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.webp"
    picture.save(path, quality=85, method=6)
    assert path.stat().st_size < MOST_BYTES


def run(script, *flags):
    command = [sys.executable, ROOT / script, *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Records of drawn images."""
    folder = tmp_path_factory.mktemp("drawn")
    images, records = folder / "images", folder / "records"
    run("sample_data/main.py", f"--output_dir={images}", "--num_images=2000")
    run(
        "tfrecord_builder/main.py",
        f"--input_dir={images}",
        f"--output_dir={records}",
        "--unseen_graphemes=0.05",
    )
    return records


@pytest.fixture(scope="module")
def workdir(records, tmp_path_factory):
    """The workdir of a run that was killed in mid-epoch and run again."""
    folder = tmp_path_factory.mktemp("run")
    command = (
        "trainer/main.py",
        f"--flagfile={ROOT}/flags/presets/cpu_15min.flags",
        f"--data_dir={records}",
        f"--workdir={folder}/workdir",
        f"--backup_dir={folder}/backup",
        "--input_height=32",
        "--input_width=32",
        "--epochs=10",
        "--global_batch_size=64",
        "--ema_decay=0.98",
        "--backup_every_steps=10",
    )
    with subprocess.Popen(
        [sys.executable, ROOT / command[0], *command[1:]],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        log = ""
        for line in process.stderr:
            log += line
            if "Epoch 4/10" in line:
                break
        process.kill()
    assert "Epoch 4/10" in log, log
    assert "RESUMED at step" in run(*command)
    return folder / "workdir"


def test_the_report(workdir):
    panels = []
    for width, dark, first in PANELS:
        with browser.open_page(
            (workdir / "report.html").as_uri(), width=width, dark=dark
        ) as page:
            page.set_viewport_size({"width": width, "height": PANEL_HEIGHT})
            heading = page.get_by_role("heading", name=first)
            heading.evaluate(
                "h => scrollBy(0, h.getBoundingClientRect().top - 40)"
            )
            assert page.locator(".gallery img").count() > 3
            panel = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        size = tuple(5 * side // 7 for side in panel.size)
        panels.append(panel.resize(size, Image.Resampling.LANCZOS))
    picture = np.concatenate(list(map(np.asarray, panels)), axis=1)
    keep(Image.fromarray(picture), "report")


def test_the_page_to_draw_on(workdir):
    with (
        browser.serve_demo(workdir / "model.keras") as url,
        browser.open_page(url, width=1000) as page,
    ):
        for stroke in STROKES:
            with page.expect_response("**/predict"):
                browser.draw(page, *stroke)
        page.locator("#outputs li").first.wait_for()
        page.set_viewport_size({"width": 1000, "height": 650})
        keep(Image.open(io.BytesIO(page.screenshot())), "demo")
        assert page.locator("#outputs li").count() == 3 * 5


def test_each_augmentation(records):
    info = dataset_info.read(records)
    paths = input_pipeline.shard_paths(info, str(records), info.folds[:1])
    dataset = eval_dataset.make(info, paths, batch_size=COLUMNS)
    preprocess = Preprocessing(SIDE, SIDE, crop=True)
    images = preprocess(next(iter(dataset))["image"])
    draws = input_pipeline.step_draws(
        0, tf.constant(0, tf.int64), (COLUMNS, augment.NUM_DRAWS)
    )
    rows = {}
    for name, strengths in STRENGTHS.items():
        augmentation = Augmentation(**OFF | strengths, mix_group=COLUMNS)
        rows[name] = augmentation(images, {}, draws)[0].numpy()[..., 0]
    keep(draw_sheet(rows, zoom=2), "augmentation")
    plain = rows.pop("none")
    np.testing.assert_array_equal(plain, images[..., 0])
    for name, row in rows.items():
        changed = np.abs(row - plain).max(axis=(1, 2)) > 0.2
        assert changed.sum() > COLUMNS // 2, name


def draw_sheet(rows: dict[str, np.ndarray], *, zoom: int) -> Image.Image:
    """Returns rows of images, [COLUMNS, SIDE, SIDE] ink in [0, 1], by name."""
    step = SIDE * zoom + MARGIN
    sheet = Image.new("L", (LABEL + COLUMNS * step, len(rows) * step), 128)
    pen = ImageDraw.Draw(sheet)
    for row, (name, images) in enumerate(rows.items()):
        pen.text((MARGIN, row * step + step // 2), name, fill=255)
        for column, image in enumerate(images):
            pixels = 255 - np.round(255 * np.clip(image, 0, 1)).astype(np.uint8)
            pixels = pixels.repeat(zoom, axis=0).repeat(zoom, axis=1)
            corner = (LABEL + column * step, row * step)
            sheet.paste(Image.fromarray(pixels), corner)
    return sheet


def test_tensorboard_goes_on_across_the_resume(workdir):
    with open(workdir / "metrics.csv", newline="", encoding="utf-8") as file:
        metrics = list(csv.DictReader(file))
    summary = json.loads((workdir / "summary.json").read_text("utf-8"))
    steps = [int(row["step"]) for row in metrics]
    assert len(steps) == 10
    with boards.open_board(workdir / "tensorboard") as board:
        for name in ("loss", "score", "recall_grapheme_root"):
            scalars = board.scalars(f"epoch/{name}")
            assert [step for step, _ in scalars] == steps
            assert [value for _, value in scalars] == pytest.approx(
                [float(row[name]) for row in metrics]
            )
        for name in ("loss", "learning_rate"):
            at, _ = zip(*board.scalars(f"step/{name}"), strict=True)
            assert at == tuple(sorted(set(at)))
            assert set(steps) <= set(at)
        speeds = board.scalars("speed/images_per_second")
        assert [step for step, _ in speeds] == steps
        assert min(speed for _, speed in speeds) > 0
        sheets = board.images("augmented")
        assert [step for step, _ in sheets] == [
            leg["first_step"] for leg in summary["legs"]
        ]
        for output in summary["judged"]["validation"]["recall"]:
            assert [s for s, _ in board.images(f"confusion/{output}")][-1] == (
                steps[-1]
            )
