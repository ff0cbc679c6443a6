"""The trainer's commands as a user meets them: a run, and each mistake."""

import ast
import csv
import json
import os
import re
import shutil
import subprocess
import sys

import commands
import keras
import numpy as np
import pytest
import tiny_data

from console import version
from tfrecord_builder.records import dataset_info
from trainer.models import model_file
from trainer.runtime import workdir_lock

SMALL = (
    "--backbone=tiny",
    "--epochs=2",
    "--global_batch_size=8",
    "--mix_group=2",
    "--backup_every_steps=2",
)
# What decides the loss and the logits, all of it at once.
EVERYTHING = (
    "--cutmix=0.3",
    "--mixup=0.3",
    "--fmix=0.3",
    "--cooldown_epochs=0.5",
    "--elastic=0.01",
    "--pool=attention",
    "--pool_per_output",
    "--grapheme_head=0.5",
    "--class_balance=0.5",
    "--focal_gamma=1",
    "--hardest_examples=0.5",
)


@pytest.fixture(scope="module")
def train():
    """Runs trainer/main.py on small nets: train(records, workdir, *flags)."""
    command = commands.Command("trainer.main")
    yield lambda records, workdir, *flags: command(
        f"--data_dir={records}", f"--workdir={workdir}", *SMALL, *flags
    )
    command.close()


@pytest.fixture(scope="module")
def evaluate():
    command = commands.Command("trainer.evaluate")
    yield command
    command.close()


@pytest.fixture(scope="module")
def trained(train, tiny_records, tmp_path_factory):
    """A finished run on the tiny records."""
    workdir = tmp_path_factory.mktemp("trained") / "run"
    done = train(tiny_records, workdir, *EVERYTHING)
    assert done.returncode == 0, done.stderr
    return workdir


def test_a_run_leaves_what_it_promises(trained, tiny_records):
    names = {p.name for p in trained.iterdir()}
    assert {
        "README.md",
        "flags.txt",
        "metrics.csv",
        "model.keras",
        "report.html",
        "speed.csv",
        "summary.json",
        "tensorboard",
    } <= names
    with open(trained / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:4] == ["epoch", "step", "loss", "score"]
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert [row["step"] for row in rows] == ["5", "10"]
    summary = json.loads((trained / "summary.json").read_text())
    assert summary["finished"] is True
    assert summary["step"] == 10
    assert summary["versions"]["bengali-trainer"] == version.VERSION
    assert [leg["settings"] for leg in summary["legs"]] == [
        {
            "exact": True,
            "max_loss": 1000.0,
            "max_per_replica_batch": 0,
            "xla": None,
        }
    ]
    scores = [float(row["score"]) for row in rows]
    assert summary["score_uncalibrated"] == pytest.approx(max(scores))
    assert summary["model_epochs"] == [1 + scores.index(max(scores))]
    info = dataset_info.read(tiny_records)
    assert summary["judged"]["validation"]["images"] == (
        info.splits["fold0"].records
    )


def test_the_model_card_loads_the_model(trained, monkeypatch, capsys):
    text = (trained / "README.md").read_text(encoding="utf-8")
    summary = json.loads((trained / "summary.json").read_text())
    assert f"| {summary['score']:.4f} |" in text
    assert f"{summary['calibration']['score']:.4f}." in text
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(trained)
    code = code.replace("images = ...", "images = given")
    exec(code, {"given": np.zeros((2, 12, 16, 1), np.uint8)})
    lines = capsys.readouterr().out.splitlines()
    card = model_file.read_card(trained / "model.keras")
    for line, output in zip(lines, card["outputs"], strict=True):
        name, _, answers = line.partition(" ")
        assert name == output["name"]
        assert len(ast.literal_eval(answers)) == 2
        assert set(ast.literal_eval(answers)) <= set(output["classes"])


def test_a_cache_changes_nothing_but_where_records_are_read(
    trained, train, tiny_records, tmp_path
):
    flags = (f"--cache_dir={tmp_path / 'cache'}", "--profile_steps=2,4")
    flags += EVERYTHING
    done = train(tiny_records, tmp_path / "run", *flags)
    assert done.returncode == 0, done.stderr
    copies = {p.name for p in (tmp_path / "cache").rglob("*.tfrecord")}
    assert copies == {p.name for p in tiny_records.glob("*.tfrecord")}
    for name in ("metrics.csv", "summary.json"):
        actual, expected = (
            (folder / name).read_text()
            for folder in (tmp_path / "run", trained)
        )
        if name == "summary.json":
            actual, expected = (
                json.loads(text)["final_state_sha256"]
                for text in (actual, expected)
            )
        assert actual == expected
    # The profile, for TensorBoard.
    assert list((tmp_path / "run" / "profile").rglob("*.xplane.pb"))


def test_evaluate_repeats_the_score_of_the_run(
    trained, evaluate, tiny_records, tmp_path
):
    output = tmp_path / "scores.json"
    arguments = (
        f"--model={trained}/model.keras",
        f"--data_dir={tiny_records}",
        f"--output={output}",
    )
    assert evaluate(*arguments, "--split=fold0").returncode == 0
    scores = json.loads(output.read_text())
    summary = json.loads((trained / "summary.json").read_text())
    assert scores["split"] == "fold0"
    for name in ("score", "score_uncalibrated", "recall", "recall_per_class"):
        assert scores[name] == summary["judged"]["validation"][name]
    assert evaluate(*arguments, "--split=all", "--tta=2").returncode == 0
    scores = json.loads(output.read_text())
    assert (scores["images"], scores["tta"]) == (60, 2)


def test_the_report_of_an_old_workdir_is_made_again(
    trained, tiny_records, tmp_path
):
    workdir = tmp_path / "run"
    shutil.copytree(trained, workdir)
    (workdir / "report.html").unlink()
    report = commands.Command("trainer.report")
    try:
        done = report(f"--workdir={workdir}")  # Its flags.txt names the rest.
        none = report(f"--workdir={tmp_path}")
    finally:
        report.close()
    assert done.returncode == 0, done.stderr
    again = (workdir / "report.html").read_text("utf-8")
    summary = json.loads((trained / "summary.json").read_text())
    assert f"<strong>{summary['score']:.4f}</strong>" in again
    assert "Most confident mistakes" in again
    assert none.returncode == 1
    assert "neither summary.json nor metrics.csv" in none.error


def test_the_model_takes_stored_images_and_names_its_logits(trained):
    model = keras.models.load_model(trained / "model.keras")
    logits = model(np.full((2, 12, 16, 1), 200, np.uint8))
    assert {k: v.shape for k, v in logits.items()} == {
        name: (2, classes) for name, classes in tiny_data.OUTPUTS.items()
    }


def test_a_finished_run_says_so_and_restores_its_workdir(
    trained, train, tiny_records, tmp_path
):
    backup = tmp_path / "backup"
    shutil.copytree(trained / "backup", backup)
    fresh = tmp_path / "fresh"
    done = train(tiny_records, fresh, *EVERYTHING, f"--backup_dir={backup}")
    assert done.returncode == 0
    assert "finished" in done.stdout + done.stderr
    for name in ("model.keras", "summary.json", "metrics.csv"):
        assert (fresh / name).read_bytes() == (trained / name).read_bytes()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--backbone=smal"], "--backbone=smal is not known; choose one of "),
        (["--validation_fold=9"], "has fold0, fold1, fold2"),
        (["--global_batch_size=9"], "multiple of 2; use 8 or 10"),
        (["--global_batch_size=48"], "hold 40 records"),
        (["--output_weights=root:2"], "name of grapheme_root, vowel_dia"),
        (["--output_weights=grapheme_root:x"], "got 'grapheme_root:x'"),
        (["--accelerator=gpu"], "TensorFlow sees no GPU"),
        (["--backup_dir=/content/drive/MyDrive/b"], "is not mounted"),
        (["--backup_dir=ftp://b"], "got the scheme ftp://"),
        (["--profile_steps=9,3"], "got 9,3"),
    ],
)
def test_a_wrong_flag_is_one_line(
    train, tiny_records, tmp_path, flags, expected
):
    workdir = tmp_path / "run"
    done = train(tiny_records, workdir, *flags)
    assert done.returncode == 1
    assert done.error.startswith("error: ")
    assert expected in done.error
    assert not (workdir / "summary.json").exists()


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (shutil.rmtree, "no such folder"),
        (lambda d: (d / dataset_info.NAME).unlink(), "not a finished dataset"),
        (lambda d: first_shard(d).unlink(), "is missing, expected"),
        (lambda d: first_shard(d).write_bytes(b"x"), "has 1 bytes, expected"),
    ],
)
def test_records_that_are_not_whole_are_one_line(
    train, tiny_records, tmp_path, harm, expected
):
    records = tmp_path / "records"
    shutil.copytree(tiny_records, records)
    harm(records)
    done = train(records, tmp_path / "run")
    assert done.returncode == 1
    assert expected in done.error
    assert not (tmp_path / "run").exists()


def first_shard(folder):
    return sorted(folder.glob("*.tfrecord"))[0]


def test_another_run_is_refused_by_the_flag_that_differs(
    trained, train, tiny_records, tmp_path
):
    backup = tmp_path / "backup"
    shutil.copytree(trained / "backup", backup)
    before = sorted(p.name for p in backup.iterdir())
    flags = (*EVERYTHING, f"--backup_dir={backup}", "--learning_rate=0.5")
    done = train(tiny_records, tmp_path / "run", *flags)
    assert done.returncode == 1
    for part in ("learning_rate", "0.002", "0.5"):
        assert part in done.error
    assert sorted(p.name for p in backup.iterdir()) == before
    assert not (tmp_path / "run").exists()


def test_a_run_older_than_a_flag_counts_as_one_with_its_default(
    trained, train, tiny_records, tmp_path
):
    backup = tmp_path / "backup"
    shutil.copytree(trained / "backup", backup)

    def forget(flag):
        for path in backup.rglob("*.json"):
            manifest = json.loads(path.read_text())
            if manifest.get("identity", {}).pop(flag, None) is not None:
                path.write_text(json.dumps(manifest))

    def run(*flags):
        flags = (*EVERYTHING, f"--backup_dir={backup}", *flags)
        return train(tiny_records, tmp_path / "run", *flags)

    forget("label_smoothing")
    done = run()
    assert done.returncode == 0, done.stderr
    assert "This run is finished" in done.stderr
    assert "label_smoothing (was 0.05, now 0.1)" in (
        run("--label_smoothing=0.1").error
    )
    forget("logit_adjustment")  # Its default is not what was done before it.
    assert "logit_adjustment (was 0.0, now 1.0)" in run().error


def test_a_workdir_that_another_run_uses_is_refused(
    trained, train, tiny_records, tmp_path
):
    backup, new = tmp_path / "backup", tmp_path / "new"
    shutil.copytree(trained / "backup", backup)
    with workdir_lock.hold(tmp_path / "run"):
        for flags in (
            [f"--backup_dir={new}"],
            [*EVERYTHING, f"--backup_dir={backup}"],  # It is finished.
        ):
            done = train(tiny_records, tmp_path / "run", *flags)
            assert done.returncode == 1
            assert f"is in use by process {os.getpid()} of this" in done.error
    assert not new.exists()
    assert not any((tmp_path / "run").iterdir())


def test_a_new_run_leaves_nothing_of_the_one_that_finished_there(
    trained, train, tiny_records, tmp_path
):
    workdir = tmp_path / "run"
    shutil.copytree(trained, workdir)
    (workdir / "mine.txt").write_text("the user's")
    (workdir / "profile").mkdir()
    flags = (f"--backup_dir={tmp_path / 'new'}", "--seed=5")
    done = train(tiny_records, workdir, *flags, "--max_minutes=0.0001")
    assert done.returncode == 0, done.stderr
    assert (
        "Removed summary.json, model.keras, README.md, report.html"
        in done.stderr
    )
    assert {p.name for p in workdir.iterdir()} == {
        "backup",
        "flags.txt",
        "metrics.csv",
        "mine.txt",
        "speed.csv",
        "staging",
        "summary.json",
        "tensorboard",
    }
    summary = json.loads((workdir / "summary.json").read_text())
    assert (summary["finished"], summary["step"]) == (False, 0)
    assert (workdir / "metrics.csv").read_text() == ""
    assert "--seed=5" in (workdir / "flags.txt").read_text()


def test_evaluate_refuses_what_does_not_fit(
    trained, evaluate, tiny_source, tiny_records, tmp_path
):
    def run(**changed):
        values = {
            "model": trained / "model.keras",
            "data_dir": tiny_records,
            "split": "fold0",
            "output": tmp_path / "scores.json",
        } | changed
        flags = [f"--{name}={value}" for name, value in values.items()]
        done = evaluate(*flags)
        assert done.returncode == 1
        assert not (tmp_path / "scores.json").exists()
        return done.error

    assert "fold0, fold1, fold2; all uses" in run(split="unseen")
    assert "no model at" in run(model=tmp_path / "none.keras")
    tiny_data.write_dataset(
        tmp_path / "other", outputs=tiny_data.OUTPUTS | {"vowel_diacritic": 2}
    )
    other = tiny_data.build_records(tmp_path / "other", tmp_path / "records")
    assert "vowel_diacritic differ" in run(data_dir=other)
    dark = tiny_data.build_records(tiny_source, tmp_path / "dark")
    assert run(data_dir=dark) == (
        f"error: {dark} holds images on a dark background, the model needs a "
        "light background: build it with --background=light if it is recorded "
        "wrongly, or invert its images"
    )


def test_a_dry_run_reports_and_writes_nothing(train, tiny_records, tmp_path):
    workdir = tmp_path / "run"
    preset = tmp_path / "mine.flags"
    preset.write_text("--nocrop\n")
    done = train(tiny_records, workdir, "--dry_run", f"--flagfile={preset}")
    assert done.returncode == 0, done.stderr
    report = dict(
        re.split(r"\s{2,}", line, maxsplit=1)
        for line in done.stdout.splitlines()
        if "  " in line
    )
    assert report["devices"].startswith("1 x CPU, no tf.distribute strategy")
    assert report["presets"] == str(preset)
    assert "--nocrop" in report["flags"]
    assert report["training images"] == "40 in 4 shards, kept in memory"
    assert report["validation images"] == "20"
    assert report["steps"] == "2 epochs of 5 steps of 8 images: 10 steps"
    assert re.fullmatch(r"[\d,]+; input 12 x 16", report["parameters"])
    assert re.fullmatch(r"[\d.]+ GB of the host", report["memory"])
    assert re.fullmatch(r"\d+ ms a step, [\d,]+ images/s", report["then"])
    assert report["time in all"].startswith("about ")
    assert not workdir.exists()


def test_help_and_a_mistyped_flag_teach(train, tiny_records, tmp_path):
    done = subprocess.run(
        [sys.executable, commands.ROOT / "trainer" / "main.py", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "--backup_dir: Folder for backups, on storage that" in done.stdout
    assert "--rotation: Largest rotation, in degrees." in done.stdout
    wrong = train(tiny_records, tmp_path, "--epoch=3")
    assert wrong.returncode == 1
    assert "Did you mean: epochs" in wrong.stderr
