"""The real command, killed and moved about, ends as if nothing had been.

scripts/storm.py does the killing; run it by hand for more than a few kills.
"""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tiny_data

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import drive_mount  # noqa: E402


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """240 images: epochs of 10 steps of 16, and 80 images to judge."""
    folder = tmp_path_factory.mktemp("storm")
    tiny_data.write_dataset(folder / "source", num_images=240)
    return tiny_data.build_records(folder / "source", folder / "records")


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.skipif(
    drive_mount.why_not() is not None,
    reason=f"no FUSE mount: {drive_mount.why_not()}",
)
def test_a_run_killed_eight_times_is_the_run_that_never_was(records, tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "scripts" / "storm.py",
            f"--data_dir={records}",
            f"--output_dir={tmp_path / 'storm'}",
            "--kills=8",
            "--reset_every=3",
            "--seed=1",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["kills"] == 8
    assert result["resets"] == 2
    assert result["runs_that_differ"] == 0


def start(
    records,
    run_dir,
    *flags,
    worker=None,
    ports=(),
    command=(ROOT / "trainer" / "main.py",),
):
    env = dict(os.environ)
    if worker is not None:
        cluster = {"worker": [f"localhost:{port}" for port in ports]}
        task = {"type": "worker", "index": worker}
        env["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
    return subprocess.Popen(
        [
            sys.executable,
            *command,
            f"--data_dir={records}",
            f"--workdir={run_dir / 'work'}",
            f"--backup_dir={run_dir / 'backup'}",
            "--backbone=tiny",
            "--dropout=0",
            "--optimizer=adamw",
            "--epochs=4",
            "--global_batch_size=32",
            "--backup_every_steps=3",
            "--steps_per_loop=1",
            "--accelerator=cpu",
            *flags,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    )


def last_step(run_dir):
    """Returns the step of the newest backup."""
    names = (run_dir / "backup").glob("backup-*.json")
    return max((int(n.name.split("-")[2]) for n in names), default=0)


def stop_at(process, run_dir, step, number):
    """Sends a signal when a backup of `step` or later is there."""
    while last_step(run_dir) < step and process.poll() is None:
        time.sleep(0.002)
    os.kill(process.pid, number)
    return process.communicate()


def summary(run_dir):
    return json.loads((run_dir / "work" / "summary.json").read_text())


def losses(run_dir):
    rows = (run_dir / "work" / "metrics.csv").read_text().splitlines()
    return [float(row.split(",")[2]) for row in rows[1:]]


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_run_goes_on_with_another_number_of_replicas(records, tmp_path):
    """And is asked to stop by SIGTERM, and by the clock."""
    calm = start(records, tmp_path / "calm")
    assert calm.wait() == 0, calm.stderr.read()
    run_dir = tmp_path / "elastic"
    done = start(records, run_dir, "--virtual_devices=3")
    assert done.wait() == 1
    assert "use 24 or 48" in done.stderr.read().splitlines()[-1]
    assert not run_dir.exists()

    first = start(records, run_dir)
    _, stderr = stop_at(first, run_dir, 3, signal.SIGTERM)
    assert first.returncode == 143
    assert stderr.splitlines()[-1].startswith("SIGTERM: unfinished: step ")
    assert stderr.splitlines()[-1].endswith(
        " of 20, run the same command to continue"
    )
    result = summary(run_dir)
    assert result["finished"] is False
    assert result["step"] == last_step(run_dir) >= 3

    second = start(records, run_dir, "--virtual_devices=2")
    stop_at(second, run_dir, result["step"] + 3, signal.SIGKILL)
    assert second.returncode == -signal.SIGKILL

    late = start(records, run_dir, "--max_minutes=0.01")
    stderr, _ = late.communicate()  # No step, so no leg either.
    assert late.returncode == 0
    assert stderr.splitlines()[-1].startswith("unfinished: step ")

    last = start(records, run_dir, "--virtual_devices=4")
    assert last.wait() == 0, last.stderr.read()
    result = summary(run_dir)
    assert [leg["devices"][0] for leg in result["legs"]] == list("124")
    assert result["step"] == 20
    np.testing.assert_allclose(
        losses(run_dir), losses(tmp_path / "calm"), atol=1e-5
    )


def free_ports(count):
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_two_workers_stop_together_and_one_of_them_writes(records, tmp_path):
    """They share a workdir's path here, and only one is asked to stop."""

    def start_both():
        ports = free_ports(2)
        return [
            start(
                records, tmp_path, "--steps_per_loop=0", worker=k, ports=ports
            )
            for k in range(2)
        ]

    chief, other = start_both()
    _, stderr = stop_at(other, tmp_path, 3, signal.SIGTERM)
    assert other.returncode == 143, stderr
    out, stderr = chief.communicate()
    assert chief.returncode == 0, stderr
    assert out.splitlines()[-1].startswith("unfinished: step ")
    at = summary(tmp_path)["step"]
    assert at == last_step(tmp_path) < 20

    both = start_both()
    for process in both:
        _, stderr = process.communicate()
        assert process.returncode == 0, stderr
        assert f"RESUMED at step {at}" in stderr
    result = summary(tmp_path)
    assert result["finished"]
    assert result["legs"][1]["first_step"] == at
    assert result["step"] == 20


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("victim", [0, 1], ids=["the_chief", "another"])
def test_a_worker_that_dies_ends_the_other_and_both_go_on(
    records, tmp_path, victim
):
    def start_both():
        ports = free_ports(2)
        return [
            start(records, tmp_path, "--epochs=2000", worker=k, ports=ports)
            for k in range(2)
        ]

    both = start_both()
    survivor = both[1 - victim]
    stop_at(both[victim], tmp_path, 3, signal.SIGKILL)
    _, stderr = survivor.communicate(timeout=60)
    assert survivor.returncode == 1, stderr
    message = stderr.splitlines()[-1]
    assert message.startswith("error: another worker of TF_CONFIG has ended")
    at = last_step(tmp_path)

    chief, other = start_both()
    stop_at(other, tmp_path, at + 3, signal.SIGTERM)
    _, stderr = chief.communicate()
    assert chief.returncode == 0, stderr
    assert f"RESUMED at step {at} " in stderr
    assert summary(tmp_path)["legs"][1]["first_step"] == at


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_two_workers_roll_back_to_the_same_step_during_a_slow_save(
    records, tmp_path
):
    """What the chief saves meanwhile is what both go back to."""
    poisoned = ROOT / "tests" / "support" / "poisoned_trainer.py"
    ports = free_ports(2)
    both = [
        start(
            records,
            tmp_path,
            "--on_nan=rollback",
            worker=k,
            ports=ports,
            command=(poisoned, "8", "2"),
        )
        for k in range(2)
    ]
    went_back = set()
    for process in both:
        _, stderr = process.communicate()
        assert process.returncode == 0, stderr
        went_back |= set(re.findall("Went back .* from step 8", stderr))
    assert len(went_back) == 1
    assert [b["step"] for b in summary(tmp_path)["bad_steps"]] == [8]
