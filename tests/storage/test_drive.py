"""Backups through a mount that uploads later, as Google Drive does.

rclone's FUSE mount with write-back; a reset of the machine is a SIGKILL of the
mount and the loss of what it had not yet uploaded. The trainer's part is run
in this process; tests/commands/test_storm.py kills the real command.
"""

import errno
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time

import pytest
import tiny_run

import storage
from storage import hangs, retry

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import drive_mount  # noqa: E402

needs_mount = pytest.mark.skipif(
    drive_mount.why_not() is not None,
    reason=f"no FUSE mount: {drive_mount.why_not()}",
)


@pytest.fixture(autouse=True)
def _starts(monkeypatch):
    tiny_run.each_start_is_a_process(monkeypatch)


@pytest.fixture
def drive(tmp_path):
    with drive_mount.DriveMount(tmp_path / "drive", write_back=0.3) as found:
        yield found


def wait_for_uploads(drive):
    end = time.monotonic() + 120
    while drive.waiting():
        assert time.monotonic() < end
        time.sleep(0.05)


def files(folder):
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


@needs_mount
def test_what_had_reached_the_store_is_resumed_from(drive, tmp_path):
    run = tiny_run.begin(drive.path / "run", tmp_path / "a")
    assert run.folder.on_mount
    tiny_run.step(run, 2)
    assert tiny_run.save(run)
    wait_for_uploads(drive)
    drive.write_back = 3600.0
    drive.reset()
    drive.mount()
    run = tiny_run.begin(drive.path / "run", tmp_path / "b")
    assert run.state.step == 2
    tiny_run.step(run, 2)
    assert tiny_run.save(run)  # It never arrives.
    tiny_run.abandon(run)
    drive.reset()
    drive.mount()
    run = tiny_run.begin(drive.path / "run", tmp_path / "c")
    assert run.state.step == 2
    assert tiny_run.weight(run) == tiny_run.expected_weight(2)


@needs_mount
def test_a_file_is_created_once_where_there_are_no_hard_links(drive):
    folder = storage.open_folder(drive.path)
    folder.create("leg-0001.json", b"mine")
    with pytest.raises(OSError, match="Errno"):
        os.link(drive.path / "leg-0001.json", drive.path / "link")
    with pytest.raises(FileExistsError):
        folder.create("leg-0001.json", b"another's")
    assert folder.read_bytes("leg-0001.json") == b"mine"
    assert files(drive.path) == ["leg-0001.json"]


def damage_missing(store, name):
    (store / f"{name}.zip").unlink()
    (store / f"{name}.json").unlink()


def damage_truncated(store, name):
    path = store / f"{name}.zip"
    path.write_bytes(path.read_bytes()[:100])


def damage_flipped(store, name):
    path = store / f"{name}.zip"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def damage_no_manifest(store, name):
    (store / f"{name}.json").unlink()


def damage_no_archive(store, name):
    (store / f"{name}.zip").unlink()


@needs_mount
def test_an_older_generation_is_taken_when_the_newest_is_damaged(
    drive, tmp_path
):
    run = tiny_run.begin(drive.path / "run", tmp_path / "a")
    for _ in range(2):
        tiny_run.step(run)
        assert tiny_run.save(run)
    newest = run.folder.generations.newest_first()[0].generation.stem
    tiny_run.abandon(run)
    wait_for_uploads(drive)
    drive.reset()
    whole = tmp_path / "whole"
    shutil.copytree(drive.store, whole)
    for harm in (
        damage_missing,
        damage_truncated,
        damage_flipped,
        damage_no_manifest,
        damage_no_archive,
    ):
        shutil.rmtree(drive.store)
        shutil.copytree(whole, drive.store)
        harm(drive.store / "run", newest)
        drive.mount()
        run = tiny_run.begin(drive.path / "run", tmp_path / harm.__name__)
        assert run.state.step == 1, harm
        assert tiny_run.weight(run) == tiny_run.expected_weight(1)
        tiny_run.abandon(run)
        drive.reset()


@needs_mount
def test_a_mount_that_goes_away_and_comes_back(
    drive, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(retry.time, "sleep", lambda s: None)
    run = tiny_run.begin(drive.path / "run", tmp_path / "a")
    tiny_run.step(run)
    assert tiny_run.save(run)
    wait_for_uploads(drive)
    drive.kill()
    with pytest.raises(OSError, match="not connected") as gone:
        os.listdir(drive.path)
    assert gone.value.errno == errno.ENOTCONN
    tiny_run.step(run)
    assert not tiny_run.save(run)
    assert "BACKUP FAILED at step 2" in caplog.text
    drive.unmount()
    tiny_run.step(run)
    assert not tiny_run.save(run)
    assert not any(drive.path.iterdir())  # The bare folder stays empty.
    drive.mount()
    tiny_run.step(run)
    assert tiny_run.save(run)
    assert run.callback.failures == 2
    wait_for_uploads(drive)
    drive.reset()
    drive.mount()
    assert tiny_run.begin(drive.path / "run", tmp_path / "b").state.step == 4


@needs_mount
def test_a_mount_that_hangs_is_waited_for(drive, tmp_path, monkeypatch, caplog):
    """Training continues; a restore and a start log that they wait."""
    monkeypatch.setattr(hangs, "REPORT_SECONDS", 0.1)
    run = tiny_run.begin(drive.path / "run", tmp_path / "a")
    tiny_run.step(run)
    assert tiny_run.save(run)
    wait_for_uploads(drive)

    def step():
        tiny_run.step(run)
        run.callback.on_train_batch_end(0)
        assert run.callback.reserve_seconds > 0
        steps.append(run.state.step)

    def restore():
        run.callback.restore()
        steps.append(run.state.step)
        tiny_run.abandon(run)

    def start():
        again = tiny_run.begin(drive.path / "run", tmp_path / "b")
        steps.append(again.state.step)
        tiny_run.abandon(again)

    def has_reported():
        return caplog.text.count("the folder is slow or does not answer") > 2

    steps = []
    for act in (step, restore, start):
        caplog.clear()
        thread = threading.Thread(target=act, daemon=True)
        drive.pause()
        thread.start()
        end = time.monotonic() + 20
        while thread.is_alive() and not has_reported():
            if time.monotonic() > end:
                break
            time.sleep(0.05)
        waits = thread.is_alive()
        drive.resume()
        thread.join(20)
        assert (waits, has_reported()) == (act is not step,) * 2, act
    assert steps == [2, 1, 1]


@needs_mount
def test_the_mount_itself_as_backup_folder(drive, tmp_path, monkeypatch):
    monkeypatch.setattr(retry.time, "sleep", lambda s: None)
    run = tiny_run.begin(drive.path, tmp_path / "a")
    tiny_run.step(run)
    assert tiny_run.save(run)
    drive.kill()
    drive.unmount()
    tiny_run.step(run)
    assert not tiny_run.save(run)
    assert not any(drive.path.iterdir())
    # A start with the same workdir knows that a mount was there.
    with pytest.raises(ValueError, match="not mounted: mount it first"):
        tiny_run.make(drive.path, tmp_path / "a")


@needs_mount
def test_the_lease_arrives_though_it_is_renewed_more_often_than_uploaded(
    drive, tmp_path
):
    """One file, always written anew, would be put off for ever."""
    drive.write_back = 1.0
    drive.reset()
    drive.mount()
    run = tiny_run.begin(drive.path / "run", tmp_path / "a")
    lease = drive.store / "run" / "lease"
    end = time.monotonic() + 20
    while not files(lease):
        assert time.monotonic() < end
        run.folder.lease.renew()
        time.sleep(0.2)


@needs_mount
@pytest.mark.long
def test_uploads_slower_than_the_cadence(tmp_path):
    """A save a second, 8 s until it arrives: after 24 s one has, always."""
    arrival = 8.0
    with drive_mount.DriveMount(
        tmp_path / "drive", write_back=arrival
    ) as drive:
        run = tiny_run.begin(
            drive.path / "run", tmp_path / "a", settle=arrival + 2
        )
        began, seen = time.monotonic(), 0
        while time.monotonic() - began < 45:
            tiny_run.step(run)
            assert tiny_run.save(run)
            assert len(run.folder.generations.listing()) <= 4
            if time.monotonic() - began < 24:
                time.sleep(1.0)
                continue
            # What a machine would find that started just now.
            copy = tmp_path / f"copy{seen}"
            shutil.copytree(drive.store / "run", copy)
            found = tiny_run.begin(copy, tmp_path / f"local{seen}")
            assert found.state.step > 0
            assert tiny_run.weight(found) == tiny_run.expected_weight(
                found.state.step
            )
            tiny_run.abandon(found)
            seen += 1
            time.sleep(1.0)
        tiny_run.abandon(run)
        assert seen >= 5


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a tmpfs")
def test_a_full_disk(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(retry.time, "sleep", lambda s: None)
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs: {mounted.stderr.decode().strip()}")
    try:
        run = tiny_run.begin(disk / "run", tmp_path / "a")
        tiny_run.step(run)
        assert tiny_run.save(run)
        filler = disk / "filler"
        with pytest.raises(OSError, match="No space"):
            filler.write_bytes(bytes(1 << 20))
        tiny_run.step(run)
        assert not tiny_run.save(run)
        assert "[Errno 28] No space left on device" in caplog.text
        assert tiny_run.make(
            disk / "run", tmp_path / "b"
        ).callback.reader.restore(run.state)
        assert run.state.step == 1
        filler.unlink()
        tiny_run.step(run)
        assert tiny_run.save(run)
        left = [g.step for g in run.folder.generations.listing()]
        assert sorted(left) == [1, 2]
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


_EIO = """
import logging, sys
import tiny_run
from storage import retry
retry.time.sleep = lambda s: None
run = tiny_run.begin(sys.argv[1], sys.argv[2])
for expected in (True, False, True):
    tiny_run.step(run)
    print("ready", flush=True)
    input()
    assert tiny_run.save(run) == expected, expected
print("done", run.callback.failures, flush=True)
"""


@pytest.mark.skipif(
    not shutil.which("fiu-run"), reason="no fiu-run: apt-get install fiu-utils"
)
def test_the_disk_gives_eio(tmp_path):
    """libfiu makes fsync, which every save needs, fail as a bad disk does.

    libfiu stands before malloc too, and deadlocks with the background thread
    that pyarrow's jemalloc begins while its library is being loaded.
    """
    tests = ROOT / "tests/support"
    process = subprocess.Popen(
        ["fiu-run", "-x", "-f", str(tmp_path / "fiu"), sys.executable, "-c"]
        + [_EIO, str(tmp_path / "run"), str(tmp_path / "a")],
        cwd=tests,
        env=os.environ | {"JE_ARROW_MALLOC_CONF": "background_thread:false"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=open(tmp_path / "err", "w"),  # noqa: SIM115
        text=True,
    )
    fault = "posix/io/sync/fsync"
    enable = f"enable name={fault},failinfo={errno.EIO}"
    for command in (None, enable, f"disable name={fault}"):
        line = process.stdout.readline()
        assert line == "ready\n", (tmp_path / "err").read_text()[-2000:]
        if command:
            control = ["fiu-ctrl", "-f", str(tmp_path / "fiu"), "-c", command]
            subprocess.run([*control, str(process.pid)], check=True)
        process.stdin.write("\n")
        process.stdin.flush()
    assert process.stdout.readline() == "done 1\n"
    assert process.wait() == 0
    errors = (tmp_path / "err").read_text()
    assert "BACKUP FAILED at step 2" in errors
    assert "Input/output error" in errors
    run = tiny_run.begin(tmp_path / "run", tmp_path / "b")
    assert run.state.step == 3
