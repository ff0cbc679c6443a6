"""Signals to the real trainer at moments that are hard to meet by chance."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.long
ROOT = pathlib.Path(__file__).resolve().parents[2]

# Each part says on stdout when its moment has come, and waits there.
_PROGRAM = """
import sys, threading
from storage.local_folder import LocalFolder
from storage.ownership.heartbeat import Heartbeat
from trainer import main
from trainer.outputs.report import page

def come(*args, **options):
    print("now", flush=True)
    threading.Event().wait(600)

moment = sys.argv.pop(1)
if moment == "in the report":
    page.write = come
elif moment == "in the last wait":
    Heartbeat.stop = come
else:
    upload = LocalFolder.upload
    LocalFolder.upload = lambda self, path, name: (
        come() if name.endswith(".zip") else upload(self, path, name)
    )
sys.argv[0] = main.__file__
main.run()
"""


def start(records, tmp_path, moment):
    flags = [
        f"--data_dir={records}",
        f"--workdir={tmp_path / 'run'}",
        f"--backup_dir={tmp_path / 'backup'}",
        "--accelerator=cpu",
        "--backbone=tiny",
        "--epochs=1",
        "--global_batch_size=8",
    ]
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, moment, *flags],
            cwd=ROOT,
            env=os.environ
            | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            # What a process in the foreground starts with.
            preexec_fn=lambda: signal.signal(
                signal.SIGINT, signal.default_int_handler
            ),
        )
    while process.stdout.readline() not in ("now\n", ""):
        pass
    return process


def end(process, tmp_path):
    """Returns the exit code and the lines on stderr."""
    process.communicate(timeout=120)
    err = (tmp_path / "log").read_text("utf-8")
    assert "Traceback" not in err, err
    return process.returncode, err.strip().splitlines()


def test_a_sigterm_in_the_report_is_honoured(tiny_records, tmp_path):
    process = start(tiny_records, tmp_path, "in the report")
    process.send_signal(signal.SIGTERM)
    code, lines = end(process, tmp_path)
    assert code == 143
    assert lines[-1] == (
        "SIGTERM: unfinished: step 5 of 5, run the same command to continue"
    )
    summary = (tmp_path / "run" / "summary.json").read_text("utf-8")
    assert not json.loads(summary)["finished"]
    assert not (tmp_path / "backup" / "final").exists()


def test_a_sigterm_in_the_last_wait_ends_it(tiny_records, tmp_path):
    process = start(tiny_records, tmp_path, "in the last wait")
    process.send_signal(signal.SIGTERM)
    code, _ = end(process, tmp_path)
    assert code in (143, -signal.SIGTERM)
    assert list((tmp_path / "backup" / "final").glob("manifest-*.json"))


def test_a_second_ctrl_c_does_not_wait_for_a_hanging_save(
    tiny_records, tmp_path
):
    process = start(tiny_records, tmp_path, "in a save")
    process.send_signal(signal.SIGINT)
    while "Ctrl-C again stops" not in (tmp_path / "log").read_text("utf-8"):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    code, lines = end(process, tmp_path)
    assert code == 1
    assert lines[-1] == (
        "error: interrupted; run the same command again to continue"
    )
