"""accelerator_check.py: whole on this CPU, and what its results become."""

import json
import subprocess
import sys

import accelerator_check
import pytest
from checks import processes, speed

ROOT = processes.ROOT


@pytest.mark.long
def test_it_runs_whole_on_a_cpu(tmp_path):
    folder = tmp_path / "check"
    script = ROOT / "scripts" / "accelerator_check.py"
    done = subprocess.run(
        [
            sys.executable,
            str(script),
            f"--output_dir={folder}",
            "--num_images=1600",
        ],
        env={"PATH": "", "HOME": str(tmp_path), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((folder / "accelerator.json").read_text("utf-8"))
    assert report["finished"]
    assert report["kind"] == "cpu"
    found = {name: result["ok"] for name, result in report["checks"].items()}
    assert found == {
        "losses": None,
        "resume": True,
        "move to the CPU": None,
        "commands": True,
        "several GPUs": None,
        "out of memory": None,
    }
    assert "backup of leg 1" in report["checks"]["resume"]["resumed"]
    preset = report["presets"]["cpu_15min"]
    assert preset["ok"]
    assert preset["images_per_second"] > 0
    assert done.stdout.splitlines()[-1] == accelerator_check.row(report)


def test_the_row_for_the_readme():
    report = {
        "devices": "1 x Tesla T4",
        "checks": {
            "losses": {"ok": True},
            "resume": {"ok": False, "why": "…"},
            "several GPUs": {"ok": None, "why": "there are 1 GPUs"},
        },
        "presets": {
            "t4": {"ok": True, "images_per_second": 812.6},
            "l4": {"ok": False, "why": "…"},
        },
        "versions": {"tensorflow": "2.20.0"},
        "date": "2026-11-24",
    }
    assert accelerator_check.row(report) == (
        "| 1 x Tesla T4 | passed: losses; FAILED: resume; "
        "not run: several GPUs | t4 813 images/s | TensorFlow 2.20.0 | "
        "2026-11-24 |"
    )


def test_presets_are_those_for_the_accelerator():
    assert speed.presets(None, "tpu") == ["tpu_v5e"]
    assert speed.presets(None, "cpu") == ["cpu_15min"]
    assert "t4" in speed.presets(None, "gpu")
    assert speed.presets(["t4"], "cpu") == ["t4"]
    assert speed.presets([""], "cpu") == []


def test_a_command_that_fails_is_an_error_with_its_last_line(tmp_path):
    with pytest.raises(RuntimeError, match=r"exit code 1.*--input_dir"):
        processes.run(
            "tfrecord_builder/main.py",
            f"--output_dir={tmp_path}",
            log=tmp_path / "building.log",
        )


def test_a_check_that_fails_does_not_end_the_others(capsys):
    def fail(machine):
        raise ValueError("no such number")

    def cannot(machine):
        raise processes.NotRunError("there is no GPU")

    attempt = accelerator_check._try
    assert attempt("a", fail, None) == {
        "ok": False,
        "why": "ValueError: no such number",
    }
    assert attempt("b", cannot, None) == {"ok": None, "why": "there is no GPU"}
    out = capsys.readouterr().out
    assert 'a: FAILED, {"why": "ValueError: no such number"}' in out
    assert 'b: not run, {"why": "there is no GPU"}' in out
