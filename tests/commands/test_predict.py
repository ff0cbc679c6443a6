"""Tests for the command trainer/predict.py and what it is made of."""

import hashlib
import io
import json
import math
import pathlib
import signal
import subprocess
import sys
import time
import zipfile

import commands
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import served
import tiny_data

from storage import UserError
from tfrecord_builder.parquet import parquet_reader
from trainer.inference import file_predictions

ROOT = pathlib.Path(__file__).resolve().parents[2]
PIXELS = 4 * served.HEIGHT * served.WIDTH  # The source's sides are twice.


def from_another_device(part: bytes) -> bytes:
    """Returns a part as another device would have written it."""
    table = pq.read_table(io.BytesIO(part.partition(b"\n")[2]))
    key = json.loads(table.schema.metadata[b"made_from"])
    assert {"tensorflow", "keras", "numpy", "device"} < set(key)
    key = json.dumps(key | {"device": "Tesla T4"})
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({"made_from": key}), sink)
    content = sink.getvalue()
    return hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def flip_a_probability(part: bytes) -> bytes:
    """Returns a part in which the first image is of another vowel."""
    table = pq.read_table(io.BytesIO(part.partition(b"\n")[2]))
    row = np.float32(table.column("vowel")[0].as_py())
    at = part.index(row.tobytes()) + 3  # Sign and exponent of the first.
    return part[:at] + bytes([part[at] ^ 0x40]) + part[at + 1 :]


HARMS = {"device": from_another_device, "bit": flip_a_probability}


def write_parquet(path: pathlib.Path, colours: dict[str, int], **options):
    """Writes images of one colour, by image id, of twice the sides."""
    column = pa.array(list(colours.values()), pa.uint8())
    table = {"image_id": pa.array(list(colours), pa.string())}
    table |= {str(i): column for i in range(PIXELS)}
    pq.write_table(pa.table(table), path, **options)


@pytest.fixture
def folder(tmp_path):
    """A model of images that the builder made smaller, and test images."""
    served.write(tmp_path / "model.keras")
    for name, colours in {
        "test_image_data_10": {"c": 250},
        "test_image_data_2": {"b": 8, "a": 5},
        "train_image_data_0": {"t": 0},
    }.items():
        write_parquet(tmp_path / f"{name}.parquet", colours)
    return tmp_path


@pytest.fixture(scope="module")
def command():
    made = commands.Command("trainer.predict")
    yield made
    made.close()


@pytest.fixture
def predict(command, folder):
    return lambda *flags: command(
        f"--model={folder}/model.keras",
        f"--input_dir={folder}",
        f"--output={folder}/out/submission.csv",
        *flags,
    )


@pytest.mark.parametrize("batch_size", [1, 3, 5])
def test_batches_span_row_groups_and_not_files(folder, batch_size):
    write_parquet(
        folder / "test_image_data_0.parquet",
        {f"i{colour}": colour for colour in range(5)},
        row_group_size=2,
    )
    source = parquet_reader.open_source(
        folder, "test_*.parquet", height=8, width=12
    )
    seen, counted = [], []

    def fake(images):
        assert images.shape == (batch_size, 8, 12)
        seen.append(images[:, -1, -1].tolist())
        return {"root": images[:, 0, :3].astype(np.float32)}

    made = list(
        file_predictions.predict_files(
            source,
            [0, 2],
            fake,
            batch_size=batch_size,
            on_images=counted.append,
        )
    )
    assert [(file, ids) for file, (ids, _) in made] == [
        (0, ["i0", "i1", "i2", "i3", "i4"]),
        (2, ["c"]),
    ]
    np.testing.assert_array_equal(
        made[0][1][1]["root"], np.repeat(np.arange(5.0), 3).reshape(5, 3)
    )
    batches = math.ceil(5 / batch_size)
    padding = [0] * (batches * batch_size - 5)
    assert sum(seen[:batches], []) == [0, 1, 2, 3, 4, *padding]
    assert seen[batches:] == [[250] + [0] * (batch_size - 1)]
    assert sum(counted) == 6


def test_a_failure_while_reading_ahead_is_passed_on():
    def failing():
        yield 1
        raise UserError("torn")

    items = file_predictions.ahead(failing())
    assert next(items) == 1
    with pytest.raises(UserError, match="torn"):
        next(items)


def test_command_writes_the_competitions_order(predict, folder):
    rows = ["c_vowel", "a_root", "b_vowel", "c_root", "a_vowel", "b_root"]
    (folder / "sample_submission.csv").write_text(
        "row_id,target\n" + "".join(f"{row},0\n" for row in rows)
    )
    done = predict("--batch_size=2")
    assert done.returncode == 0, done.stderr
    assert (folder / "out/submission.csv").read_text() == (
        "row_id,target\nc_vowel,1\na_root,5\nb_vowel,2\nc_root,5\n"
        "a_vowel,2\nb_root,1\n"
    )
    assert [path.name for path in (folder / "out").iterdir()] == [
        "submission.csv"
    ]
    assert done.stdout.splitlines()[-1].startswith(
        f"wrote {folder}/out/submission.csv: 6 rows for 3 images, "
    )


def test_probabilities_of_two_models(predict, folder):
    served.write(folder / "b.keras", served.make_model(3.0, add=1))
    done = predict(
        f"--model={folder}/model.keras,{folder}/b.keras",
        f"--probabilities={folder}/more/p.parquet",
    )
    assert done.returncode == 0, done.stderr
    table = pq.read_table(folder / "more/p.parquet")
    assert table.column("image_id").to_pylist() == ["b", "a", "c"]
    classes = table.schema.field("vowel").metadata[b"classes"]
    assert json.loads(classes) == ["0", "1", "2"]
    # Colours 8, 5 and 250 are 2, 2 and 1; the second model says one more.
    one, three = math.e, math.e**3
    mean = np.array([three / (three + 2), 1 / (three + 2), 1 / (three + 2)])
    mean = (mean + np.array([1, 1, one]) / (one + 2)) / 2
    np.testing.assert_allclose(
        table.column("vowel").to_pylist(),
        [mean, mean, np.roll(mean, -1)],
        rtol=1e-6,
    )
    assert (folder / "out/submission.csv").read_text() == (
        "row_id,target\nb_root,2\nb_vowel,0\na_root,6\na_vowel,0\n"
        "c_root,6\nc_vowel,2\n"
    )


def test_mistake_is_one_line_and_leaves_no_file(predict, folder):
    """Also: the input is a .zip, as Kaggle delivers it."""
    with zipfile.ZipFile(folder / "input.zip", "w") as archive:
        for path in folder.glob("*.parquet"):
            archive.write(path, path.name)
        archive.writestr("sample_submission.csv", "row_id\na_root\na_vowel\n")
    done = predict(f"--input_dir={folder}/input.zip")
    assert done.returncode == 1
    assert done.error.startswith(
        "error: the parquet files hold 2 image_id(s) ('b', 'c') that "
    )
    assert list((folder / "out").iterdir()) == []


def test_images_of_another_size_are_reported_without_builder_flags(
    predict, folder
):
    served.write(folder / "model.keras", source_image={"height": 7, "width": 5})
    assert predict().error == (
        f"error: {folder}/test_image_data_10.parquet: 96 pixel columns, "
        "expected 7 x 5 = 35; predict images of the size that the model was "
        "trained on"
    )


@pytest.mark.parametrize(
    ("trained_for", "papers", "seen"),
    [
        ("light", [255] * 6, None),
        ("light", [0] * 6, "dark in 6 of 6"),
        ("light", [255] * 3 + [0], "dark in 1 of 4"),
        ("dark", [0] * 6, None),
        ("dark", [255] * 6, "light in 6 of 6"),
    ],
)
def test_images_with_the_other_background_are_a_warning(
    predict, folder, trained_for, papers, seen
):
    size = {"height": served.HEIGHT, "width": served.WIDTH}
    image = size | {"background": trained_for}
    served.write(folder / "model.keras", image=image)
    images = np.empty((len(papers), 8, 12), np.uint8)
    images[:] = np.uint8(papers)[:, None, None]
    images[:, 2:6, 5:7] ^= 0xFF  # A stroke.
    ids = [f"Test_{i}" for i in range(len(papers))]
    tiny_data.write_parquet(folder / "drawn_0.parquet", ids, images)
    done = predict("--input_glob=drawn_*.parquet")
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if " test im" in line]
    if seen is None:
        assert warnings == []
    else:
        (warning,) = warnings
        assert f"background: {seen} sampled test images, but the mo" in warning
        assert f"trained on {trained_for} ones" in warning
        assert "Invert them (255 - pixel), or give a --model" in warning


@pytest.fixture
def interrupted(predict, folder):
    """A command that failed at the second file; the file is mended again."""
    path = folder / "test_image_data_10.parquet"
    whole = path.read_bytes()
    page = pq.read_metadata(path).row_group(0).column(50).data_page_offset
    path.write_bytes(whole[:page] + b"\xff" * 20 + whole[page + 20 :])
    done = predict("--batch_size=1")
    assert done.returncode == 1
    assert "test_image_data_10.parquet: not a complete parquet" in done.error
    assert not (folder / "out/submission.csv").exists()
    path.write_bytes(whole)


@pytest.mark.usefixtures("interrupted")
def test_what_was_predicted_before_a_failure_is_kept(predict):
    done = predict("--batch_size=1")
    assert done.returncode == 0
    assert "; 2 were predicted before" in done.stderr


@pytest.mark.usefixtures("interrupted")
@pytest.mark.parametrize(
    ("change", "reported"),
    [
        ("batch_size", "differs in its batch_size (1, now 2): made again"),
        ("model", "differs in its models: made again"),
        ("file", "differs in its source: made again"),
        ("device", "differs in its device (Tesla T4, now "),
        ("bit", "is damaged: made again (its bytes are not those"),
    ],
)
def test_what_something_else_predicted_is_not_taken(
    predict, folder, change, reported
):
    batch_size = 2 if change == "batch_size" else 1
    if change == "model":
        served.write(folder / "model.keras", served.make_model(2.0))
    if change == "file":
        write_parquet(folder / "test_image_data_2.parquet", {"b": 9, "a": 7})
    if change in ("device", "bit"):
        (part,) = (folder / "out/submission.csv.parts").iterdir()
        part.write_bytes(HARMS[change](part.read_bytes()))
    done = predict(f"--batch_size={batch_size}")
    assert done.returncode == 0
    assert "were predicted before" not in done.stderr
    assert reported in done.stderr
    rows = (folder / "out/submission.csv").read_text().splitlines()
    assert rows[1] == ("b_root,2" if change == "file" else "b_root,1")


def test_killed_and_run_again_it_writes_the_same_bytes(folder, predict):
    """SIGKILL while the second of three files is predicted, an image a time."""
    write_parquet(
        folder / "test_image_data_3.parquet",
        {f"i{k}": k % 256 for k in range(2000)},
    )
    flags = ["--batch_size=1", f"--probabilities={folder}/p.parquet"]
    assert predict(*flags).returncode == 0
    results = (folder / "out/submission.csv", folder / "p.parquet")
    expected = [path.read_bytes() for path in results]
    for path in results:
        path.unlink()

    process = subprocess.Popen(
        [
            sys.executable,
            ROOT / "trainer/predict.py",
            f"--model={folder}/model.keras",
            f"--input_dir={folder}",
            f"--output={folder}/out/submission.csv",
            *flags,
        ],
        stderr=subprocess.DEVNULL,
    )
    parts = folder / "out/submission.csv.parts"
    while not list(parts.glob("test_*")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert [path.name for path in parts.glob("test_*")] == [
        "test_image_data_2.parquet.probabilities"
    ]

    done = predict(*flags)
    assert "; 2 were predicted before" in done.stderr
    assert [path.read_bytes() for path in results] == expected
    assert not parts.exists()
