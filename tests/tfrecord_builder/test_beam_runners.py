"""--engine=beam on several processes: two workers, a cluster, a job server.

Each test runs the real command; see test_beam.py for what it makes of data.
"""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time

import beam_builds
import beam_environment
import gcs_emulators
import pytest
import tiny_data

import storage
from tfrecord_builder.beam_engine import exchange
from tfrecord_builder.records import dataset_info

pytestmark = pytest.mark.long

DASK = "--runner=apache_beam.runners.dask.dask_runner.DaskRunner"


@pytest.fixture(scope="module")
def python():
    return beam_environment.python()


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """3,000 images in 4 files of many row groups."""
    folder = tmp_path_factory.mktemp("source")
    tiny_data.write_dataset(
        folder, num_images=3000, num_files=4, row_group_size=50
    )
    return folder


@pytest.fixture(scope="module")
def expected(source, tmp_path_factory):
    """What the local engine makes of it."""
    return beam_builds.read(
        tiny_data.build_records(source, tmp_path_factory.mktemp("local"))
    )


def environment(python) -> dict[str, str]:
    path = f"{pathlib.Path(python).parent}:{os.environ['PATH']}"
    return os.environ | {"PYTHONPATH": str(tiny_data.ROOT), "PATH": path}


def start(python, source, output, *arguments) -> subprocess.Popen:
    """Starts the real command."""
    return subprocess.Popen(
        [python, tiny_data.ROOT / "tfrecord_builder" / "main.py"]
        + [f"--input_dir={source}", f"--output_dir={output}", *beam_builds.SIZE]
        + list(arguments),
        env=environment(python),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def build(*arguments) -> None:
    """Runs the real command to its end."""
    process = start(*arguments)
    output, _ = process.communicate()
    assert process.returncode == 0, output


@contextlib.contextmanager
def serve(python, module, option):
    """Runs a server of Beam's; yields its address once it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [python, "-m", f"apache_beam.runners.{module}", f"{option}={port}"],
        env=environment(python),  # A pool's worker is a "python" of PATH.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            assert process.poll() is None
            with contextlib.suppress(OSError):
                socket.create_connection(("localhost", port)).close()
                break
            time.sleep(0.05)
        yield f"localhost:{port}"
    finally:
        process.kill()
        process.wait()


def test_a_job_server_and_a_pool_of_workers(python, source, expected, tmp_path):
    """How Flink and Spark run Python: by messages, in workers of their own."""
    with (
        serve(python, "portability.local_job_service_main", "--port") as jobs,
        serve(python, "worker.worker_pool_main", "--service_port") as pool,
    ):
        build(
            python,
            source,
            tmp_path / "out",
            "--engine=beam",
            "--runner=PortableRunner",
            "--",
            f"--job_endpoint={jobs}",
            "--environment_type=EXTERNAL",
            f"--environment_config={pool}",
        )
    assert beam_builds.read(tmp_path / "out") == expected


@pytest.mark.parametrize("server", ["gcp_storage_emulator", "fake_gcs_server"])
def test_gs(python, tiny_source, tmp_path, monkeypatch, server):
    expected = beam_builds.read(
        tiny_data.build_records(tiny_source, tmp_path / "local")
    )
    with getattr(gcs_emulators, server)() as host:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", host)
        from storage import gcs_folder

        gcs_folder._clients.__dict__.clear()
        bucket = f"gs://{gcs_emulators.BUCKET}"
        bucket_folder = storage.open_folder(f"{bucket}/competition")
        bucket_folder.upload_many({p.name: p for p in tiny_source.iterdir()})
        build(
            python,
            f"{bucket}/competition",
            f"{bucket}/records",
            f"--spool_dir={tmp_path}",
            *beam_builds.IN_PROCESS,
        )
        folder = storage.open_folder(f"{bucket}/records")
        files = {
            n: folder.read_bytes(n)
            for n in folder.list()
            if n != beam_builds.TIMED
        }
        assert files == expected
        leftovers = storage.open_folder(f"{bucket}/records/{exchange.NAME}")
        assert leftovers.list() == {}


def test_two_processes(python, source, expected, tmp_path):
    options = ["--direct_num_workers=2"]
    options += ["--direct_running_mode=multi_processing"]
    build(python, source, tmp_path / "out", "--engine=beam", "--", *options)
    assert beam_builds.read(tmp_path / "out") == expected


def test_a_worker_of_a_cluster_is_killed(python, source, expected, tmp_path):
    output = tmp_path / "out"
    cluster = subprocess.Popen(
        [python, tiny_data.ROOT / "tests/support/beam_cluster.py"],
        cwd=tmp_path,
        env=environment(python),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        address = cluster.stdout.readline().strip()
        last = f"{output / exchange.NAME} plan-00003\n"
        cluster.stdin.write(last)
        cluster.stdin.flush()
        options = [f"--dask_client_address={address}"]
        options += ["--dask_partition_size=1"]
        build(python, source, output, "--engine=beam", DASK, "--", *options)
        assert cluster.stdout.readline() != "too late\n"
    finally:
        cluster.stdin.close()
        cluster.wait()
    assert beam_builds.read(output) == expected


def test_a_killed_driver(python, source, expected, tmp_path):
    output = tmp_path / "out"
    process = start(python, source, output, *beam_builds.IN_PROCESS)
    folder = storage.open_folder(output / exchange.NAME)
    while not any(name.endswith("plan-00003") for name in folder.list()):
        assert process.poll() is None, process.stdout.read()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (output / dataset_info.NAME).exists()
    build(python, source, output, *beam_builds.IN_PROCESS)
    assert beam_builds.read(output) == expected
