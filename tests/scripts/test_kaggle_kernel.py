"""scripts/kaggle_kernel.py: what it writes runs where Kaggle runs it.

The kernel is run without a network in a root folder that has /kaggle/input:
once with the public test images, 12 of them, and once with many.
"""

import csv
import json
import os
import pathlib
import resource
import subprocess
import sys
import zipfile

import numpy as np
import other_root
import pyarrow.parquet as pq
import pytest
import tiny_data
from session import kernel

ROOT = pathlib.Path(__file__).resolve().parents[2]
MANY = 20_000  # Images, in four files as in the hidden test set.
MEMORY = 3 << 30  # Bytes; Kaggle's smallest machine has 13 GB.


def run(*command):
    subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


@pytest.fixture(scope="module")
def competition(tmp_path_factory):
    """The competition's files with 300 training images."""
    folder = tmp_path_factory.mktemp("competition")
    run("sample_data/main.py", f"--output_dir={folder}", "--num_images=300")
    return folder


@pytest.fixture(scope="module")
def model(competition, tmp_path_factory):
    """A model.keras that one epoch has trained."""
    folder = tmp_path_factory.mktemp("trained")
    run(
        "tfrecord_builder/main.py",
        f"--input_dir={competition}",
        f"--output_dir={folder / 'records'}",
    )
    run(
        "trainer/main.py",
        f"--data_dir={folder / 'records'}",
        f"--workdir={folder / 'run'}",
        "--backbone=tiny",
        "--epochs=1",
        "--global_batch_size=64",
    )
    return folder / "run" / "model.keras"


@pytest.fixture(scope="module")
def written(model, tmp_path_factory):
    """What the command writes for two models, one of them named twice."""
    folder = tmp_path_factory.mktemp("written") / "kernel"
    run(
        "scripts/kaggle_kernel.py",
        f"--model={model},{model}",
        f"--output_dir={folder}",
        "--tta=2",
        "--user=me",
    )
    return folder


def run_kernel(folder, tmp_path, inputs, *, unpack):
    """Runs the kernel; returns submission.csv's rows and the bytes it took."""
    if reason := other_root.why_not():
        pytest.skip(reason)
    for name in ("root", "working", "dataset", "src"):
        (tmp_path / name).mkdir()
    for path in (folder / "dataset").iterdir():
        os.link(path, tmp_path / "dataset" / path.name)
    if unpack:  # As Kaggle does with a zip in a dataset.
        packed = tmp_path / "dataset" / "bengali-trainer.zip"
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(tmp_path / "dataset" / "bengali-trainer")
        packed.unlink()
    command = other_root.wrap(
        [sys.executable, "/kaggle/src/predict.py"],
        {
            "/kaggle/input/bengaliai-cv19": inputs,
            "/kaggle/input/bengali-trainer-models": tmp_path / "dataset",
            "/kaggle/src": folder / "kernel",
            "/kaggle/working": tmp_path / "working",
        },
        empty=tmp_path / "root",
        cwd="/kaggle/working",
        network=False,
    )
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=clean()
    )
    assert done.returncode == 0, done.stderr
    assert not pathlib.Path("/kaggle").exists()
    with open(tmp_path / "working" / "submission.csv", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["row_id", "target"]
    return rows, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10


def clean():
    """The environment without what would find this checkout."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}


@pytest.mark.long
@pytest.mark.only_lane
@pytest.mark.timeout(300)
@pytest.mark.parametrize("unpack", [False, True])
def test_the_public_test_set(written, competition, tmp_path, unpack):
    rows, memory = run_kernel(written, tmp_path, competition, unpack=unpack)
    with open(competition / "test.csv", newline="") as file:
        assert {row[0] for row in rows} == {
            row["row_id"] for row in csv.DictReader(file)
        }
    assert len(rows) == 36
    assert memory < MEMORY


@pytest.fixture
def many_images(competition, tmp_path):
    """As many test images as the hidden set has of each: repeated ones."""
    table = pq.read_table(competition / "train_image_data_0.parquet")
    pixels = np.stack(
        [table.column(i).to_numpy() for i in range(1, table.num_columns)],
        axis=1,
    )
    repeated = np.resize(pixels, (MANY // 4, pixels.shape[1]))
    folder = tmp_path / "hidden"
    folder.mkdir()
    for k in range(4):
        tiny_data.write_parquet(
            folder / f"test_image_data_{k}.parquet",
            [f"Test_{k}_{i}" for i in range(len(repeated))],
            repeated,
        )
    return folder, len(pixels)


@pytest.mark.long
@pytest.mark.only_lane
@pytest.mark.timeout(600)
def test_many_images(written, many_images, tmp_path):
    folder, period = many_images
    rows, memory = run_kernel(written, tmp_path, folder, unpack=False)
    assert len(rows) == 3 * MANY
    # The same pixels have the same answer, whichever file they are in.
    answers = [target for _, target in rows]
    assert answers[: 3 * period] == answers[3 * period : 6 * period]
    quarter = len(answers) // 4
    assert answers[:quarter] == answers[quarter : 2 * quarter]
    assert memory < MEMORY


def test_what_it_writes(tmp_path):
    models = [tmp_path / "a" / "model.keras", tmp_path / "b" / "model.keras"]
    for path in models:
        path.parent.mkdir()
        path.write_bytes(path.parent.name.encode())
    folder = tmp_path / "dataset"
    folder.mkdir()
    (folder / "model-7.keras").touch()  # Of an earlier call.
    names = kernel.write_dataset(folder, models, user="me")
    assert names == ["model-0.keras", "model-1.keras"]
    assert (folder / "model-1.keras").read_bytes() == b"b"
    assert sorted(path.name for path in folder.iterdir()) == [
        "bengali-trainer.zip",
        "dataset-metadata.json",
        *names,
    ]
    metadata = json.loads((folder / "dataset-metadata.json").read_text())
    assert metadata["id"] == "me/bengali-trainer-models"
    kernel.write_kernel(tmp_path / "kernel", names, user="me", tta=4, gpu=False)
    written = tmp_path / "kernel"
    metadata = json.loads((written / "kernel-metadata.json").read_text())
    assert metadata["enable_internet"] is False
    assert metadata["dataset_sources"] == ["me/bengali-trainer-models"]
    script = (written / metadata["code_file"]).read_text()
    assert len(script.splitlines()) == 15
    assert '"--tta=4"' in script


def test_a_model_that_is_none(tmp_path):
    (tmp_path / "no.keras").write_bytes(b"no model")
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "scripts" / "kaggle_kernel.py",
            f"--model={tmp_path / 'no.keras'}",
            f"--output_dir={tmp_path / 'kernel'}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"error: --model={tmp_path / 'no.keras'}: expected the model.keras of "
        "a run\n"
    )
    assert not (tmp_path / "kernel").exists()
