"""trainer/backups.py: what a user sees of a backup folder, read and not."""

import json
import os
import shutil
import subprocess
import sys
import time

import commands
import drive_mount
import numpy as np
import pytest

import storage
from storage.ownership import processes
from storage.ownership.lease import Lease
from trainer.backup import archive, finished_run
from trainer.backup.generation import Generation
from trainer.backup.generations import OWNER, Generations

RUN = {"seed": 0, "dataset": "d"}
LEG = {"leg": 1, "devices": "none", "first_step": 0, "last_step": 9}


@pytest.fixture(scope="module")
def backups():
    command = commands.Command("trainer.backups")
    yield command
    command.close()


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "drive"
    folder.mkdir()
    return folder


def add(folder, leg, step, *, run=1, age=0.0, identity=RUN, **document):
    """Adds a whole backup; returns its archive."""
    document = {
        "step": step,
        "loss_sum": 0.0,
        "history": [{}] * (step // 10),
        "legs": [LEG],
        "speed": [],
        "trace": [],
        "bad_steps": [],
        **document,
    }
    generation = Generation(leg, step, 0)
    path = folder.parent / "save.zip"
    archive.write(path, {"w": np.zeros(250_000, np.float32)}, document)
    Generations(storage.open_folder(folder)).write(
        generation,
        path,
        epochs=len(document["history"]),
        first_leg=run,
        identity=identity,
    )
    path.unlink()
    edit(folder / generation.archive, format=1, written=time.time() - age)
    return folder / generation.archive


def edit(path, **changes):
    """Changes the manifest of an archive."""
    manifest = path.with_suffix(".json")
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def contents(folder):
    return {
        str(path): (
            path.stat().st_mtime_ns,
            path.is_file() and path.read_bytes(),
        )
        for path in (folder, *folder.rglob("*"))
    }


def look(backups, folder, *flags):
    """Runs the command, which must not change the folder.

    Returns:
        What it did, and by backup the row of the table.
    """
    before = contents(folder)
    done = backups(f"--backup_dir={folder}", *flags)
    assert contents(folder) == before
    table = {
        words[0]: words[1:]
        for line in done.stdout.splitlines()
        if (words := line.split())[0].startswith("backup-")
    }
    return done, {stem: " ".join(words) for stem, words in table.items()}


def date(path):
    written = json.loads(path.with_suffix(".json").read_text())["written"]
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(written))


def test_every_backup_is_a_row_and_the_newest_that_is_whole_is_named(
    backups, folder
):
    settled = add(folder, 1, 10, age=3600)
    fresh = add(folder, 2, 25, age=180)
    bad = add(folder, 2, 30, age=60)
    size = bad.stat().st_size
    bad.write_bytes(bad.read_bytes()[:100])
    half = folder / Generation(2, 40, 0).archive
    half.write_bytes(b"PK")
    done, rows = look(backups, folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].split() == [
        *("backup", "leg", "step", "epochs", "age", "size", "state")
    ]
    assert list(rows) == [half.stem, bad.stem, fresh.stem, settled.stem]
    assert rows == {
        half.stem: "2 40 - - 0.0 MB it has no manifest",
        bad.stem: f"2 30 - - 0.0 MB its archive has 100 bytes, expected {size}",
        fresh.stem: "2 25 2 3 min 1.0 MB looks complete",
        settled.stem: "1 10 1 60 min 1.0 MB looks complete",
    }
    assert done.stdout.splitlines()[-3:] == [
        "in use by: nobody",
        f"a start resumes from: {fresh.stem} (not read; --verify reads every "
        "byte)",
        f"safe up to step 25 ({date(fresh)}); a start would resume there",
    ]


@pytest.mark.skipif(
    drive_mount.why_not() is not None,
    reason=f"no FUSE mount: {drive_mount.why_not()}",
)
def test_on_a_mount_a_new_backup_may_still_be_uploading(backups, tmp_path):
    drive = drive_mount.DriveMount(tmp_path / "drive")
    before = add(drive.store, 1, 5, age=7200)
    settled = add(drive.store, 2, 10, run=2, age=3600)
    flip(add(drive.store, 2, 20, run=2, age=1800))
    fresh = add(drive.store, 2, 25, run=2, age=180)
    with drive:
        done, rows = look(backups, drive.path, "--verify")
        assert rows[before.stem].endswith(
            "complete, settled, of a run before --restart"
        )
        assert rows[settled.stem].endswith("complete, settled")
        assert rows[fresh.stem].endswith("complete, may still be uploading")
        assert done.stdout.splitlines()[-1] == (
            f"safe up to step 10 ({date(settled)}); a start would resume at "
            f"step 25 ({date(fresh)}), which may still be uploading"
        )
        done, _ = look(backups, drive.path, "--backup_settle_minutes=2")
        assert done.stdout.splitlines()[-1] == (
            f"safe up to step 25 ({date(fresh)}); a start would resume there"
        )
        done, _ = look(backups, drive.path, "--backup_settle_minutes=1440")
        assert done.stdout.splitlines()[-1] == (
            f"nothing is safe yet; a start would resume at step 25 "
            f"({date(fresh)}), which may still be uploading"
        )


def test_verify_reads_every_byte(backups, folder):
    whole = add(folder, 1, 10)
    incomplete = add(folder, 1, 20, history={})
    flipped = add(folder, 1, 30)
    flip(flipped)
    done, rows = look(backups, folder)
    assert f"a start resumes from: {flipped.stem} (not read" in done.stdout
    done, rows = look(backups, folder, "--verify")
    assert done.returncode == 0
    for path, state in (
        (flipped, "its archive's sha256 is not its manifest's"),
        (incomplete, "its document has no proper history"),
        (whole, "complete"),
    ):
        assert rows[path.stem].endswith(f" MB {state}")
    assert f"a start resumes from: {whole.stem}\n" in done.stdout


def test_nothing_to_resume_from_is_exit_code_1(backups, folder):
    newer, flipped, other = (add(folder, 2, step) for step in (30, 20, 10))
    edit(newer, format=9)
    flip(flipped)
    edit(other, identity={"seed": 1, "dataset": "d"})
    done, rows = look(backups, folder, "--verify")
    assert done.returncode == 1
    assert rows[newer.stem].endswith("unknown format 9")
    for path in (newer, flipped, other):
        assert path.stem in done.error
    for part in (
        "none can be restored",
        "it has format 9, this version reads formats 1 to 3",
        "sha256 is not its manifest's",
        "it is of another run, before --restart",
        "--restart",
    ):
        assert part in done.error


def test_a_backup_of_the_run_before_a_restart_is_named_so(backups, folder):
    old = add(folder, 1, 50, run=1)
    new = add(folder, 2, 10, run=2)
    _, rows = look(backups, folder)
    assert rows[old.stem].endswith(", of a run before --restart")
    done, _ = look(backups, folder, "--verify")
    assert f"a start resumes from: {new.stem}\n" in done.stdout


def test_a_folder_without_backups(backups, folder, tmp_path):
    done, rows = look(backups, folder)
    assert (done.returncode, rows) == (1, {})
    assert "holds no complete backup: a start begins at step 0" in done.error
    done = backups(f"--backup_dir={tmp_path / 'nowhere'}")
    assert "nowhere: no such folder" in done.error
    assert not (tmp_path / "nowhere").exists()
    done = backups("--backup_dir=/content/drive/MyDrive/run")
    assert "is not mounted" in done.error
    assert "--backup_dir is missing" in backups().error


def test_who_holds_the_lease(backups, folder, monkeypatch):
    path = add(folder, 1, 10)
    lease = Lease(
        storage.open_folder(folder), OWNER, extra={"saved": path.stem}
    )
    lease.acquire()
    done, _ = look(backups, folder)
    assert (
        f"in use by: process {os.getpid()} of this machine (leg 1)"
        in done.stdout
    )
    monkeypatch.setattr(processes, "machine_id", lambda: "another")
    lease.renew()
    done, _ = look(backups, folder)
    assert "in use by: another machine (leg 1), if it is still alive" in (
        done.stdout
    )
    for file in (path, path.with_suffix(".json")):
        file.unlink()
    done, _ = look(backups, folder)
    assert done.returncode == 1
    assert f"its last owner had saved {path.stem}" in done.error
    lease.release()
    done, _ = look(backups, folder)
    assert "in use by: nobody\n" in done.stdout


def test_a_finished_run_says_so(backups, folder, tmp_path):
    add(folder, 1, 10)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "metrics.csv").write_text("epoch")
    finished_run.save(
        str(folder), tmp_path / "work", identity=RUN, leg=1, check=lambda: None
    )
    done, _ = look(backups, folder)
    assert done.returncode == 0
    assert done.stdout.endswith(
        "finished by leg 1: a start copies its results from final/\n"
    )
    path = add(folder, 2, 5, run=2)
    done, _ = look(backups, folder)
    assert f"a start resumes from: {path.stem}" in done.stdout


def test_a_folder_that_cannot_be_written_to(backups, folder, tmp_path):
    path = add(folder, 1, 10)
    is_root = os.getuid() == 0
    if not is_root:
        folder.chmod(0o555)
    else:  # Root may write everywhere, but not to such a mount.
        original, folder = folder, tmp_path / "read_only"
        folder.mkdir()
        bind = ["mount", "--bind", original, folder]
        if subprocess.run(bind, check=False).returncode:
            pytest.skip("no bind mounts here")
        remount = ["mount", "-o", "remount,bind,ro", folder]
        subprocess.run(remount, check=True)
    try:
        with pytest.raises(OSError, match="Read-only|Permission"):
            (folder / "x").write_bytes(b"")
        done, _ = look(backups, folder, "--verify")
    finally:
        if is_root:
            subprocess.run(["umount", folder], check=True)
        else:
            folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert f"a start resumes from: {path.stem}\n" in done.stdout


@pytest.mark.parametrize("number", [1, 2])
def test_golden_backups_are_read_without_tensorflow(tmp_path, number):
    golden = commands.ROOT / f"tests/data/backup_format_{number}"
    folder = shutil.copytree(golden, tmp_path / "backup")
    code = (
        "import sys\n"
        "sys.modules |= dict.fromkeys(['tensorflow', 'keras'])\n"
        "from trainer import backups\n"
        "backups.run()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"--backup_dir={folder}", "--verify"],
        env=os.environ | {"PYTHONPATH": str(commands.ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.zip")
    assert f"a start resumes from: {path.stem}\n" in done.stdout
