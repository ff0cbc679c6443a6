"""Tests for trainer/inference.py and the command trainer/predict.py."""

import json
import pathlib
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage import UserError
from trainer import inference

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEIGHT, WIDTH = 4, 6
# Images are of one colour; these models know it by looking it up.
OUTPUTS = {"root": 7, "vowel": 3}


def make_model(scale: float = 1.0) -> keras.Model:
    """Returns a model whose class is colour % 7 (root) and % 3 (vowel)."""
    images = keras.Input((HEIGHT, WIDTH, 1), dtype="uint8")
    colour = keras.ops.cast(images[:, 0, 0, 0], "int32")
    logits = {
        name: keras.ops.one_hot(colour % classes, classes) * scale
        for name, classes in OUTPUTS.items()
    }
    return keras.Model(images, logits)


def write_model(path: pathlib.Path, resize: dict) -> None:
    make_model().save(path)
    card = {
        "format": 1,
        "outputs": [
            {"name": name, "classes": list(map(str, range(classes)))}
            for name, classes in OUTPUTS.items()
        ],
        "image": {"height": HEIGHT, "width": WIDTH},
        "source_image": {"height": HEIGHT * 2, "width": WIDTH * 2},
        "resize": resize,
        "output_weights": {"root": 2, "vowel": 1},
        "calibration": {n: [0.0] * c for n, c in OUTPUTS.items()},
    }
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("dataset.json", json.dumps(card))


def write_parquet(path: pathlib.Path, colours: dict[str, int]) -> None:
    """Writes images of one colour, by image id, of twice the sides."""
    column = pa.array(list(colours.values()), pa.uint8())
    table = {"image_id": pa.array(list(colours), pa.string())}
    table |= {str(i): column for i in range(4 * HEIGHT * WIDTH)}
    pq.write_table(pa.table(table), path)


def predict(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, ROOT / "trainer/predict.py", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


class FakeSource:
    """Blocks of 3, 0 and 4 images; colours 0 to 6."""

    num_images = 7

    def blocks(self, max_bytes):
        assert max_bytes == 99
        for start, stop in ((0, 3), (3, 3), (3, 7)):
            colours = np.arange(start, stop, dtype=np.uint8)
            images = np.broadcast_to(
                colours[:, None, None], (len(colours), HEIGHT, WIDTH)
            )
            yield [f"i{colour}" for colour in colours], images


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 10])
def test_every_image_is_predicted_once_in_batches_of_one_size(batch_size):
    sizes = []
    classify = inference.make_classifier(
        make_model(), batch_shape=(batch_size, HEIGHT, WIDTH, 1)
    )

    def watched(images):
        sizes.append(len(images))
        return classify(images)

    made = inference.predict_source(
        FakeSource(),
        watched,
        outputs=["root", "vowel"],
        resize_spec=None,
        batch_size=batch_size,
        block_bytes=99,
    )
    assert sizes == [batch_size] * -(-7 // batch_size)
    assert list(made.rows(None)) == [
        row
        for i in range(7)
        for row in ((f"i{i}_root", i % 7), (f"i{i}_vowel", i % 3))
    ]


def test_batches_span_blocks_and_the_last_is_padded():
    blocks = FakeSource().blocks(99)
    spec = {"method": "area", "height": 2, "width": 2}
    batches = list(
        inference.make_batches(blocks, batch_size=4, resize_spec=spec)
    )
    assert [ids for ids, _ in batches] == [
        ["i0", "i1", "i2", "i3"],
        ["i4", "i5", "i6"],
    ]
    assert [images.shape for _, images in batches] == [(4, 2, 2, 1)] * 2
    assert batches[1][1][:, 1, 1, 0].tolist() == [4, 5, 6, 0]


def test_a_failure_while_reading_ahead_is_passed_on():
    def failing():
        yield 1
        raise UserError("torn")

    items = inference.ahead(failing())
    assert next(items) == 1
    with pytest.raises(UserError, match="torn"):
        next(items)


def test_logits_that_are_no_numbers_are_refused():
    classify = inference.make_classifier(
        make_model(float("nan")), batch_shape=(1, HEIGHT, WIDTH, 1)
    )
    with pytest.raises(UserError, match="not all finite"):
        classify(np.zeros((1, HEIGHT, WIDTH, 1), np.uint8))


@pytest.fixture
def folder(tmp_path):
    """A model of images that the builder made smaller, and test images."""
    write_model(
        tmp_path / "model.keras",
        {"method": "area", "height": HEIGHT, "width": WIDTH},
    )
    for name, colours in {
        "test_image_data_10": {"c": 250},
        "test_image_data_2": {"b": 8, "a": 5},
        "train_image_data_0": {"t": 0},
    }.items():
        write_parquet(tmp_path / f"{name}.parquet", colours)
    return tmp_path


def test_command_writes_the_competitions_order(folder):
    rows = ["c_vowel", "a_root", "b_vowel", "c_root", "a_vowel", "b_root"]
    (folder / "sample_submission.csv").write_text(
        "row_id,target\n" + "".join(f"{row},0\n" for row in rows)
    )
    done = predict(
        f"--model={folder}/model.keras",
        f"--input_dir={folder}",
        f"--output={folder}/out/submission.csv",
        "--batch_size=2",
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "out/submission.csv").read_text() == (
        "row_id,target\nc_vowel,1\na_root,5\nb_vowel,2\nc_root,5\n"
        "a_vowel,2\nb_root,1\n"
    )
    assert done.stdout.splitlines()[-1].startswith(
        f"wrote {folder}/out/submission.csv: 6 rows for 3 images, "
    )


def test_mistake_is_one_line_and_leaves_no_file(folder):
    """Also: the input is a .zip, as Kaggle delivers it."""
    with zipfile.ZipFile(folder / "input.zip", "w") as archive:
        for path in folder.glob("*.parquet"):
            archive.write(path, path.name)
        archive.writestr("sample_submission.csv", "row_id\na_root\na_vowel\n")
    done = predict(
        f"--model={folder}/model.keras",
        f"--input_dir={folder}/input.zip",
        f"--output={folder}/submission.csv",
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "error: the parquet files hold 2 image_id(s) ('b', 'c') that "
    )
    assert "Traceback" not in done.stderr
    assert not (folder / "submission.csv").exists()
