"""Backups that earlier versions wrote are continued, or refused by name.

tests/data/backup_format_N is step 12 of 15 of a run on the tiny records, in
format N: the first written by commit 95aa93d, each other by the commit that
added it. A new format adds a folder.
"""

import csv
import json
import pathlib
import shutil

import commands
import pytest

from trainer.backup import archive
from trainer.runtime import run_document

# Over every variable of the run at step 12, as each of them computed it.
DIGEST = "ccc714d1a38a147a0663cac6aaa28a21bc4515a63b911a1705d6858e9b114c8a"
FLAGS = (
    "--backbone=tiny",
    "--epochs=3",
    "--global_batch_size=8",
    "--seed=3",
)


@pytest.fixture(scope="module")
def train():
    command = commands.Command("trainer.main")
    yield command
    command.close()


@pytest.fixture(params=run_document.FORMATS)
def backup(request, tmp_path):
    golden = commands.ROOT / f"tests/data/backup_format_{request.param}"
    return pathlib.Path(shutil.copytree(golden, tmp_path / "backup"))


def run(train, records, backup, *flags):
    return train(
        f"--data_dir={records}",
        f"--workdir={backup.parent / 'run'}",
        f"--backup_dir={backup}",
        *FLAGS,
        *flags,
    )


def test_a_run_of_an_earlier_version_is_continued(train, tiny_records, backup):
    (path,) = backup.glob("*.zip")
    _, document = archive.read(path)
    done = run(train, tiny_records, backup, "--backup_every_steps=1")
    assert done.returncode == 0, done.stderr
    assert "RESUMED at step 12 (backup of leg 1; this is leg 2)" in done.stderr
    workdir = backup.parent / "run"
    with open(workdir / "metrics.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [
        {name: float(value) for name, value in row.items()} for row in rows[:2]
    ] == document["history"]
    assert [row["step"] for row in rows] == ["5", "10", "15"]
    summary = json.loads((workdir / "summary.json").read_text("utf-8"))
    assert summary["finished"]
    assert [leg["first_step"] for leg in summary["legs"]] == [0, 12]


def test_every_variable_of_an_earlier_version_is_restored(
    train, tiny_records, backup
):
    # Without a step the state stays as it was restored.
    done = run(train, tiny_records, backup, "--max_minutes=0.0001")
    assert done.returncode == 0, done.stderr
    assert "unfinished: step 12 of 15" in done.stdout
    summary = (backup.parent / "run" / "summary.json").read_text("utf-8")
    assert json.loads(summary)["final_state_sha256"] == DIGEST


def test_a_flag_that_is_gone_counts_as_what_it_was(train, tiny_records, backup):
    (path,) = backup.glob("*.json")
    manifest = json.loads(path.read_text("utf-8"))
    assert manifest["identity"]["plateau_epochs"] == 0
    manifest["identity"]["plateau_epochs"] = 4
    path.write_text(json.dumps(manifest))
    done = run(train, tiny_records, backup)
    assert done.returncode == 1
    assert "--plateau_epochs (was 4, now 0)" in done.error


def test_the_flagfile_of_an_earlier_version_is_understood(train, tmp_path):
    flags = tmp_path / "flags.txt"
    flags.write_text("--plateau_epochs=0\n--plateau_factor=0.5\n")
    line = [
        f"--flagfile={flags}",
        "--data_dir=nowhere",
        f"--workdir={tmp_path}",
    ]
    assert "nowhere: no such folder" in train(*line).error
    flags.write_text("--plateau_epochs=3\n")
    assert "--plateau_epochs=3" in train(*line).error
