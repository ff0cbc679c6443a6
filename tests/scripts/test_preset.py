"""scripts/preset.py: by the machine, or by the run that is backed up."""

import json
import os
import subprocess
import sys

import fake_tools
import preset
import pytest

from trainer.runtime import run_document


def ask(backup_dir, *flags, path=None):
    """Returns the preset that the command names, and its line about why."""
    done = subprocess.run(
        [
            sys.executable,
            preset.__file__,
            "--data_dir=records",
            "--workdir=run",
            f"--backup_dir={backup_dir}",
            *flags,
        ],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(preset.ROOT)} | (path or {}),
    )
    name = done.stdout.strip().removesuffix(".flags").rpartition("/")[2]
    return name, done.stderr.strip()


@pytest.mark.parametrize(
    ("gpus", "name"),
    [
        (["15360, 7.5"], "t4"),
        (["15360, 7.5", "15360, 7.5"], "t4"),  # Kaggle's two.
        (["23034, 8.9"], "l4_a100"),
        (["40960, 8.0"], "l4_a100"),
        (["81559, 9.0"], "l4_a100"),
        (["32768, 7.0"], "t4"),  # A V100 has no bfloat16.
        (["81559, 9.0", "15360, 7.5"], "t4"),
        ([], "cpu_15min"),
    ],
)
def test_by_the_machine(gpus, name, tmp_path, monkeypatch):
    fake_tools.write(tmp_path, "nvidia-smi", f"printf '%s\n' {_quote(gpus)}")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(preset.running, "has_tpu", lambda: False)
    assert preset.choose_by_machine() == name


def _quote(words):
    return " ".join(f"'{word}'" for word in words)


def test_a_tpu_counts_if_tensorflow_sees_it(monkeypatch):
    monkeypatch.setattr(preset.running, "has_tpu", lambda: True)
    monkeypatch.setattr(preset, "list_gpus", lambda: [])
    assert preset.choose_by_machine() == "cpu_15min"  # There is none here.
    monkeypatch.setattr(preset, "tensorflow_sees_tpu", lambda: True)
    assert preset.choose_by_machine() == "tpu_v5e"


def write_backup(folder, flags):
    """A backup of a run with these flags, but without its archive's bytes."""
    values = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, json; sys.path.insert(0, 'scripts'); import preset; "
            "print(json.dumps(preset.parse(sys.argv[1], sys.argv[1:])))",
            *flags,
        ],
        cwd=preset.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    folder.mkdir()
    stem = "backup-0001-000000007-001-ab12"
    (folder / f"{stem}.zip").write_bytes(b"x")
    manifest = {
        "format": max(run_document.FORMATS),
        "sha256": "0",
        "bytes": 1,
        "run": "a",
        "written": 0.0,
        "identity": json.loads(values.stdout),
    }
    (folder / f"{stem}.json").write_text(json.dumps(manifest))


def test_a_run_keeps_its_preset_and_batch(tmp_path):
    tools = fake_tools.write(
        tmp_path / "tools", "nvidia-smi", "echo 40960, 8.0"
    )
    path = {"PATH": f"{tools.parent}:{os.environ['PATH']}"}
    more = ["--epochs=3", "--backbone=tiny"]
    assert ask(tmp_path / "none", *more, path=path) == (
        "l4_a100",
        "l4_a100: no backup: chosen by this machine",
    )
    folder = tmp_path / "backup"
    own = tmp_path / "mine.flags"  # A preset of one's own, in RECIPE.
    own.write_text("\n".join(more))
    write_backup(
        folder, ["t4", "--data_dir=a", "--workdir=b", f"--flagfile={own}"]
    )
    assert preset.read_identity(str(folder))["backbone"] == "tiny"
    assert ask(folder, f"--flagfile={own}", path=path) == (
        "t4",
        f"t4: of the run in {folder}",
    )
