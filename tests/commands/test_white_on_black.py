"""White ink on black, from the parquet files to the predictions: as it comes.

With no flag but what any other set needs, too.
"""

import csv
import json

import commands
import numpy as np
import pytest
import tiny_data
from PIL import Image, ImageDraw, ImageFont

from tfrecord_builder.records import dataset_info

pytestmark = pytest.mark.long
OUTPUTS = {"digit": 10, "odd": 2}
NUM_IMAGES = 1500


def draw_digits() -> tuple[np.ndarray, np.ndarray]:
    """Returns [N, 28, 28] uint8 digits of Pillow's font, and which they are."""
    rng = np.random.default_rng(0)
    digits = rng.integers(0, 10, NUM_IMAGES)
    images = np.zeros((NUM_IMAGES, 28, 28), np.uint8)
    fonts = [ImageFont.load_default(size) for size in (18, 20, 22)]
    for image, digit in zip(images, digits.tolist(), strict=True):
        canvas = Image.new("L", (28, 28))
        ImageDraw.Draw(canvas).text(
            tuple(rng.integers(12, 17, 2).tolist()),
            str(digit),
            fill=int(rng.integers(160, 256)),
            font=fonts[rng.integers(len(fonts))],
            anchor="mm",
        )
        image[...] = canvas.rotate(rng.uniform(-15, 15))
    return images, digits


def read_sklearn() -> tuple[np.ndarray, np.ndarray]:
    """Returns [N, 8, 8] uint8 handwritten digits, and which they are."""
    datasets = pytest.importorskip(
        "sklearn.datasets", reason="scikit-learn is not installed"
    )
    digits = datasets.load_digits()
    images = np.uint8(np.round(digits.images * (255 / 16)))
    return images[:NUM_IMAGES], digits.target[:NUM_IMAGES]


@pytest.fixture
def run():
    """Runs a command of the trainer, and returns what it printed."""

    def run(name: str, *flags: str) -> str:
        command = commands.Command(f"trainer.{name}")
        try:
            done = command(*flags)
        finally:
            command.close()
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("read", [draw_digits, read_sklearn])
def test_digits(tmp_path, run, read):
    images, digits = read()
    side = images.shape[1]
    ids = [f"Train_{i}" for i in range(NUM_IMAGES)]
    truth = {
        f"{image_id}_{name}": digit % classes
        for image_id, digit in zip(ids, digits.tolist(), strict=True)
        for name, classes in OUTPUTS.items()
    }
    source, records = tmp_path / "in", tmp_path / "records"
    source.mkdir()
    tiny_data.write_parquet(source / "train_image_data_0.parquet", ids, images)
    rows = [[i, d, d % 2] for i, d in zip(ids, digits.tolist(), strict=True)]
    tiny_data.write_csv(source / "train.csv", [["image_id", *OUTPUTS], *rows])
    done = tiny_data.run_builder(
        f"--input_dir={source}",
        f"--output_dir={records}",
        f"--label_columns={','.join(OUTPUTS)}",
        f"--source_height={side}",
        f"--source_width={side}",
    )
    assert done.returncode == 0, done.stderr
    assert dataset_info.read(records).image.background == "dark"

    workdir = tmp_path / "run"
    model = f"--model={workdir / 'model.keras'}"
    run("main", f"--data_dir={records}", f"--workdir={workdir}")
    summary = json.loads((workdir / "summary.json").read_text("utf-8"))
    score = summary["judged"]["validation"]["score"]
    assert score >= 0.9

    scores = tmp_path / "scores.json"
    run(
        "evaluate",
        model,
        f"--data_dir={records}",
        "--split=fold0",
        f"--output={scores}",
    )
    assert json.loads(scores.read_text("utf-8"))["score"] == score

    submission = tmp_path / "submission.csv"
    run(
        "predict",
        model,
        f"--input_dir={source}",
        "--input_glob=train_image_data_*.parquet",
        f"--output={submission}",
    )
    with open(submission, newline="", encoding="utf-8") as file:
        made = {r["row_id"]: int(r["target"]) for r in csv.DictReader(file)}
    assert made.keys() == truth.keys()
    right = sum(made[row] == truth[row] for row in truth)
    assert right >= 0.9 * len(truth)
