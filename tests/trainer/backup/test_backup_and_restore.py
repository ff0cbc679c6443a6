"""The backup of a run: whatever happens to a save, a resume is right."""

import contextlib
import errno
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from concurrent import futures

import keras
import pytest
import tiny_run

from storage import UserError, local_folder, retry
from storage.local_folder import LocalFolder
from storage.ownership.heartbeat import Heartbeat
from trainer.backup import (
    backup_and_restore,
    backup_reader,
    backup_writer,
    save_thread,
)
from trainer.runtime import named_variables, run_document


@pytest.fixture(autouse=True)
def _starts(monkeypatch):
    tiny_run.each_start_is_a_process(monkeypatch)


@pytest.fixture
def run_dirs(tmp_path):
    return tmp_path / "drive" / "run", tmp_path / "work" / "staging"


def test_a_resume_has_all_that_was_saved(run_dirs):
    run = tiny_run.begin(*run_dirs)
    tiny_run.step(run, 5)
    run.state.history.append({"epoch": 1, "score": 0.1 + 0.2, "loss": 1 / 3})
    run.state.speed.append({"epoch": 1})
    best = named_variables.to_numpy(run.state.variables["model/weight"])
    run.state.best = {"ema/w": best}
    assert tiny_run.save(run)
    digest = run.state.digest()
    tiny_run.step(run, 3)
    tiny_run.abandon(run)
    again = tiny_run.begin(*run_dirs)
    assert again.state.step == 5
    assert again.state.leg == 2
    assert again.state.digest() == digest
    assert tiny_run.weight(again) == tiny_run.expected_weight(5)
    assert again.state.loss_sum == sum(1.0 / k for k in range(1, 6))
    assert again.state.history == run.state.history
    assert again.state.best["ema/w"].tolist() == best.tolist()
    assert [leg["leg"] for leg in again.state.legs] == [1, 2]
    assert not any(run_dirs[1].glob("*.zip"))


def test_nothing_is_written_before_the_run_begins(run_dirs, tmp_path):
    run = tiny_run.make(*run_dirs)
    run.folder.refuse_other_run()
    assert not any(tmp_path.iterdir())


class Kill(BaseException):
    """As a SIGKILL: nothing of the process goes on."""


class KillAt:
    """Kills a process at its n-th operation on the backup folder.

    A copy that is killed leaves half of its bytes behind.
    """

    def __init__(self, monkeypatch):
        self.left = None
        for name in (
            "upload",
            "has_same_bytes",
            "list",
            "delete",
            "read_bytes",
        ):
            method = getattr(LocalFolder, name)
            monkeypatch.setattr(LocalFolder, name, self.wrap(name, method))
        remove = local_folder.os.unlink

        def unlink(path, **options):
            self.count()  # Emptied, but still there.
            remove(path, **options)

        monkeypatch.setattr(local_folder.os, "unlink", unlink)

    def wrap(self, name, method):
        def call(folder, *args, **options):
            last = self.count(raises=name != "upload")
            if last:
                data = args[0].read_bytes()
                (folder.path / args[1]).write_bytes(data[: len(data) // 2])
                raise Kill
            return method(folder, *args, **options)

        return call

    def count(self, *, raises=True):
        if self.left is None:
            return False
        self.left -= 1
        if self.left >= 0:
            return False
        if raises:
            raise Kill
        return True


def test_a_save_killed_anywhere_is_all_or_nothing(
    run_dirs, tmp_path, monkeypatch
):
    kill = KillAt(monkeypatch)
    monkeypatch.setattr(Heartbeat, "_beat", lambda self: None)
    points, outcomes = 0, []
    while True:
        dirs = tmp_path / f"drive{points}", run_dirs[1]
        kill.left = None
        run = tiny_run.begin(*dirs, settle=0.0)
        for _ in range(4):  # So that the save that is killed prunes, too.
            tiny_run.step(run)
            assert tiny_run.save(run)
        tiny_run.step(run)
        document = json.loads(json.dumps(run.state.document()))
        kill.left = points
        try:
            run.callback.writer.store(run.state.arrays(), document)
            survived = True
        except Kill:
            survived = False
        kill.left = None
        again = tiny_run.begin(*dirs, settle=0.0)
        outcomes.append(again.state.step)
        assert again.state.step in (4, 5)
        assert tiny_run.weight(again) == tiny_run.expected_weight(
            again.state.step
        )
        # What this leg passed over stays; the next leg's saves remove it.
        for _ in range(2):
            again = tiny_run.begin(*dirs, settle=0.0)
            for _ in range(2):
                tiny_run.step(again)
                assert tiny_run.save(again)
        backups = again.folder.generations.newest_first()
        assert all(f.manifest for f in backups)
        assert len(backups) <= 3
        if survived:
            break
        points += 1
    assert points >= 10  # Copy, read back, manifest, list, deletions.
    # Before the manifest is whole the old one is taken, after it the new.
    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {4, 5}


def test_a_kill_while_the_archive_is_made_changes_nothing(run_dirs):
    run = tiny_run.begin(*run_dirs)
    tiny_run.step(run, 2)
    assert tiny_run.save(run)
    run_dirs[1].joinpath("save-0.zip").write_bytes(b"PK half an archive")
    again = tiny_run.begin(*run_dirs)
    assert not any(run_dirs[1].glob("save*"))
    assert again.state.step == 2
    tiny_run.step(again)
    assert tiny_run.save(again)
    assert tiny_run.begin(*run_dirs).state.step == 3


# What every kind of folder downloads by.
_DOWNLOAD = """
import os, signal, sys
from storage import whole_file
with whole_file.whole_file(sys.argv[1]) as sink:
    sink.write(b"PK half an archive")
    sink.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("restart", [False, True])
def test_a_kill_while_an_archive_is_downloaded_leaves_nothing(
    run_dirs, restart
):
    run = tiny_run.begin(*run_dirs)
    tiny_run.step(run, 2)
    assert tiny_run.save(run)
    tiny_run.abandon(run)
    before = {path.name for path in run_dirs[1].iterdir()}
    command = [sys.executable, "-c", _DOWNLOAD, run_dirs[1] / "restore.zip"]
    done = subprocess.run(command, check=False)
    assert done.returncode == -signal.SIGKILL
    assert list(run_dirs[1].glob(".restore.zip.*.tmp"))
    # As a kill between the download and the end of reading leaves it.
    run_dirs[1].joinpath("restore.zip").write_bytes(b"PK a whole archive")
    again = tiny_run.begin(*run_dirs, restart=restart)
    assert {path.name for path in run_dirs[1].iterdir()} == before
    assert again.state.step == (0 if restart else 2)


def test_older_ones_are_taken_and_the_reason_is_logged(run_dirs, caplog):
    run = tiny_run.begin(*run_dirs)
    for _ in range(3):
        tiny_run.step(run)
        assert tiny_run.save(run)
    newest, middle, _ = run.folder.generations.newest_first()
    path = run_dirs[0] / newest.generation.archive
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    (run_dirs[0] / middle.generation.manifest).unlink()
    with caplog.at_level(logging.WARNING):
        again = tiny_run.begin(*run_dirs)
    assert again.state.step == 1
    assert tiny_run.weight(again) == tiny_run.expected_weight(1)
    messages = [r.getMessage() for r in caplog.records]
    assert [m for m in messages if m.startswith("Skipped backup")] == [
        f"Skipped backup {newest.generation.stem}: its archive's sha256 is not "
        "its manifest's",
        f"Skipped backup {middle.generation.stem}: it has no manifest",
    ]


def test_what_cannot_be_read_is_no_reason_to_start_over(run_dirs, monkeypatch):
    run = tiny_run.begin(*run_dirs)
    tiny_run.step(run)
    assert tiny_run.save(run)

    def fail(self, name, path, *, sha256):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(LocalFolder, "download", fail)
    with pytest.raises(UserError, match="Input/output error.*--restart"):
        tiny_run.begin(*run_dirs)


def fail_uploads(monkeypatch, code, times):
    """Makes uploads fail after half of the bytes; returns the list of them."""
    upload, failed = LocalFolder.upload, []

    def fail(self, path, name):
        if len(failed) < times and name.endswith(".zip"):
            failed.append(name)
            (self.path / name).write_bytes(b"half")
            raise OSError(code, "said the file system")
        upload(self, path, name)

    monkeypatch.setattr(LocalFolder, "upload", fail)
    return failed


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOTCONN, errno.EDQUOT])
def test_a_moment_of_weakness_is_tried_again(run_dirs, monkeypatch, code):
    waits = []
    monkeypatch.setattr(retry.time, "sleep", waits.append)
    run = tiny_run.begin(*run_dirs)
    failed = fail_uploads(monkeypatch, code, 2)
    tiny_run.step(run)
    assert tiny_run.save(run)
    assert waits == [1.0, 2.0]
    names = [g.archive for g in run.folder.generations.listing()]
    assert len(names) == 1
    assert names[0] not in failed
    assert len(set(failed)) == 2


def test_a_failed_save_is_reported_and_training_goes_on(
    run_dirs, monkeypatch, caplog
):
    monkeypatch.setattr(retry.time, "sleep", lambda s: None)
    run = tiny_run.begin(*run_dirs)
    tiny_run.step(run)
    assert tiny_run.save(run)
    failed = fail_uploads(monkeypatch, errno.ENOSPC, 7)
    tiny_run.step(run)
    assert not tiny_run.save(run)
    assert len(failed) == 7
    assert run.callback.failures == 1
    assert not run.callback.is_saved
    assert "BACKUP FAILED at step 2: OSError: [Errno 28]" in caplog.text
    assert "Failures so far: 1" in caplog.text
    looks = tiny_run.make(*run_dirs)
    assert looks.callback.restore()
    assert looks.state.step == 1
    tiny_run.step(run)
    assert tiny_run.save(run)
    assert tiny_run.begin(*run_dirs).state.step == 3


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "Permission denied"),
        UserError("gs://b/run: no access (storage.objects.delete)"),
    ],
)
def test_a_store_that_lets_nothing_be_deleted(
    run_dirs, monkeypatch, caplog, error
):
    """The save is complete: what fails is only the cleaning up after it."""

    def fail(self, name):
        raise error

    run = tiny_run.begin(*run_dirs)
    monkeypatch.setattr(LocalFolder, "delete", fail)
    for _ in range(5):
        tiny_run.step(run)
        assert tiny_run.save(run)
    assert run.callback.is_saved
    assert run.callback.failures == 0
    assert len(run.folder.generations.listing()) == 5
    assert f"Old backups are not deleted for now: {error}" in caplog.text
    assert "BACKUP FAILED" not in caplog.text
    assert tiny_run.begin(*run_dirs).state.step == 5


def test_the_local_disk_may_be_full_too(run_dirs, monkeypatch, caplog):
    run = tiny_run.begin(*run_dirs)

    def fail(*args):
        raise ValueError("Can't close the ZIP file")  # zipfile, on ENOSPC

    monkeypatch.setattr(backup_writer.archive, "write", fail)
    tiny_run.step(run)
    assert not tiny_run.save(run)
    assert "BACKUP FAILED at step 1: ValueError" in caplog.text


def test_cadence_in_steps_and_seconds(run_dirs, monkeypatch):
    run = tiny_run.begin(*run_dirs, backup_every_steps=3)
    saved = []
    monkeypatch.setattr(
        run.callback, "save", lambda: saved.append(run.state.step)
    )
    for _ in range(7):
        tiny_run.step(run)
        run.callback.on_train_batch_end(0)
    assert saved == [3, 6]
    run.callback.backup_every_steps = 0
    run.callback.backup_every_seconds = 10.0
    now = [100.0]
    monkeypatch.setattr(
        "trainer.backup.backup_and_restore.time.monotonic", lambda: now[0]
    )
    run.callback._due = 110.0
    for now[0] in (109.0, 111.0):
        run.callback.on_train_batch_end(0)
    assert saved == [3, 6, 7]


def test_one_save_in_flight_at_most_and_training_does_not_wait(
    run_dirs, monkeypatch
):
    run = tiny_run.begin(*run_dirs, backup_every_steps=1)
    gate, stored = threading.Event(), []

    def slow(arrays, document):
        gate.wait(10)
        stored.append((document["step"], arrays["model/weight"].tolist()))

    monkeypatch.setattr(run.callback.writer, "store", slow)
    for _ in range(4):
        tiny_run.step(run)
        run.callback.on_train_batch_end(0)
    gate.set()
    run.callback.on_train_end()
    # The first as it was when it was copied; then the last of all.
    assert stored == [
        (1, tiny_run.expected_weight(1)),
        (4, tiny_run.expected_weight(4)),
    ]


class Clock:
    """Seconds that a test sets."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        for module in (save_thread, backup_and_restore):
            monkeypatch.setattr(module, "time", self)

    def monotonic(self):
        return self.now


@pytest.fixture
def hang(monkeypatch):
    """Returns a function that makes the next uploads hang, as a mount may."""
    gate, left, upload = threading.Event(), [], LocalFolder.upload
    gate.reached = threading.Event()

    def hanging(self, path, name):
        if left:
            left.pop()
            gate.reached.set()
            assert gate.wait(60)
        upload(self, path, name)

    def start(count):
        left.extend([None] * count)
        return gate

    monkeypatch.setattr(LocalFolder, "upload", hanging)
    yield start
    gate.set()


def reports(caplog):
    return [
        r.getMessage()
        for r in caplog.records
        if r.getMessage().startswith("BACKUP FAILED")
    ]


def test_a_mount_that_hangs_is_reported_again_and_again(
    run_dirs, monkeypatch, caplog, hang
):
    clock = Clock(monkeypatch)
    run = tiny_run.begin(*run_dirs, backup_every_seconds=300.0)
    gate = hang(99)
    for _ in range(600):  # Ten hours, a step a minute.
        clock.now += 60.0
        tiny_run.step(run)
        run.callback.on_train_batch_end(0)
    found = reports(caplog)
    assert found[0] == (
        f"BACKUP FAILED: the save of step 5 has not ended for 5 minutes: "
        f"{run_dirs[0]} does not answer. Failures so far: 1"
    )
    # After 15 minutes another one is tried, which hangs, too.
    assert "save of step 20 has not ended for 5 minutes" in found[3]
    assert len(found) == run.callback.failures == 119
    assert len(list(run_dirs[1].glob("save-*.zip"))) == 2
    gate.set()
    while list(run_dirs[1].glob("save-*.zip")):  # Both come back.
        pass
    run.callback.on_train_end()
    assert run.callback.is_saved
    assert not list(run_dirs[1].glob("save*"))
    assert tiny_run.begin(*run_dirs).state.step == 600


def test_the_next_save_does_not_share_anything_with_one_that_hangs(
    run_dirs, monkeypatch, hang
):
    clock = Clock(monkeypatch)
    run = tiny_run.begin(*run_dirs, backup_every_seconds=300.0)
    gate = hang(1)
    for _ in range(20):
        clock.now += 60.0
        tiny_run.step(run)
        run.callback.on_train_batch_end(0)
        if run.state.step == 5:  # It is this save that is to hang.
            assert gate.reached.wait(60)
    run.callback.wait()
    tiny_run.step(run, 5)
    assert run.callback.saves == 1
    gate.set()  # The mount answers, and an old state arrives last.
    run.callback._thread._given_up.thread.join()
    assert run.callback.saves == 2
    steps = [g.step for g in sorted(run.folder.generations.listing())]
    assert sorted(steps) == [5, 20]
    looks = tiny_run.make(*run_dirs)
    assert looks.callback.restore()
    assert looks.state.step == 20
    assert tiny_run.weight(looks) == tiny_run.expected_weight(20)
    assert tiny_run.save(run)  # Of what was done since; nothing is forgotten.
    assert tiny_run.begin(*run_dirs).state.step == 25


def test_a_step_between_two_saves_makes_no_call_of_the_folder(
    run_dirs, monkeypatch
):
    """Otherwise training would stop while the mount hangs."""
    run = tiny_run.begin(*run_dirs, backup_every_seconds=300.0)
    tiny_run.step(run)
    assert tiny_run.save(run)
    asked = []
    for name in ("stat", "lstat", "scandir"):
        ask = getattr(os, name)

        def note(path, *args, ask=ask, **options):
            asked.append(str(path))
            return ask(path, *args, **options)

        monkeypatch.setattr(os, name, note)
    tiny_run.step(run)
    run.callback.on_train_batch_end(0)
    assert run.callback.reserve_seconds > 0
    assert not run.callback.is_saved
    assert [p for p in asked if p.startswith(str(run_dirs[0]))] == []


def test_a_ctrl_c_does_not_wait_for_a_mount_that_hangs(run_dirs, hang):
    run = tiny_run.begin(*run_dirs)
    hang(1)
    tiny_run.step(run)
    run.callback.save()
    with contextlib.suppress(KeyboardInterrupt), run.callback:
        raise KeyboardInterrupt
    assert run.callback._thread.is_busy
    assert not run.folder.heartbeat.is_alive


def test_the_end_is_saved_once_and_the_evaluation_counts(run_dirs):
    run = tiny_run.begin(*run_dirs)
    tiny_run.step(run, 2)
    run.callback.save()
    run.callback.on_train_end()
    assert run.callback.saves == 1
    run.state.history.append({"epoch": 1, "score": 0.5})
    run.callback.on_train_end()
    assert run.callback.saves == 2
    again = tiny_run.begin(*run_dirs)
    assert len(again.state.history) == 1
    again.callback.on_train_end()
    assert again.callback.saves == 0


def test_a_worker_that_is_not_the_chief_only_reads(run_dirs):
    run = tiny_run.begin(*run_dirs)
    tiny_run.step(run, 2)
    assert tiny_run.save(run)
    before = sorted(p.name for p in run_dirs[0].rglob("*"))
    worker = tiny_run.begin(
        run_dirs[0], run_dirs[1].with_name("other"), chief=False
    )
    assert worker.state.step == 2
    tiny_run.step(worker)
    worker.callback.on_train_end()
    worker.callback.__exit__()
    assert sorted(p.name for p in run_dirs[0].rglob("*")) == before
    assert worker.callback.is_saved


class TwoWorkers:
    """What runtime/workers.py does, between two threads of this process."""

    def __init__(self):
        self.barrier = threading.Barrier(2, timeout=60)
        self.values = {}

    def of(self, *, chief):
        shared = self

        class Worker:
            def _gather(self, value):
                shared.values[chief] = value
                shared.barrier.wait()
                values = dict(shared.values)
                shared.barrier.wait()
                return values

            def from_chief(self, text):
                return self._gather(text)[True]

            def any(self, flag):
                return any(self._gather(flag).values())

        return Worker()


def both(chief, worker, act):
    """Returns what `act` returns or raises for each of two workers."""

    def attempt(run):
        try:
            return act(run)
        except UserError as error:
            return error

    with futures.ThreadPoolExecutor() as pool:
        return list(pool.map(attempt, [chief, worker]))


@pytest.fixture
def workers(run_dirs):
    """A chief at step 2, saved, and another worker that was restored there."""
    shared = TwoWorkers()
    chief = tiny_run.make(*run_dirs, workers=shared.of(chief=True))
    worker = tiny_run.make(
        run_dirs[0],
        run_dirs[1].with_name("other"),
        chief=False,
        workers=shared.of(chief=False),
    )
    both(chief, worker, lambda run: run.callback.on_train_begin())
    for run in (chief, worker):
        run.state.begin_leg(run.callback.leg, "a test", {})
        tiny_run.step(run, 2)
    assert tiny_run.save(chief)
    return chief, worker


def test_workers_go_back_to_the_same_state_during_a_slow_save(
    workers, monkeypatch
):
    chief, worker = workers
    for run in workers:
        tiny_run.step(run, 2)
    seen, gate = threading.Event(), threading.Event()
    upload = LocalFolder.upload

    def slow(self, path, name):
        seen.set()
        assert gate.wait(60)
        upload(self, path, name)

    monkeypatch.setattr(LocalFolder, "upload", slow)
    chief.callback.save()
    assert seen.wait(60)
    for run in workers:
        tiny_run.step(run, 3)
    threading.Timer(1.0, gate.set).start()
    assert both(*workers, lambda run: run.callback.restore()) == [True, True]
    assert [run.state.step for run in workers] == [4, 4]
    assert tiny_run.weight(worker) == tiny_run.expected_weight(4)


def test_a_worker_waits_for_what_the_chief_chose(workers, monkeypatch):
    chief, worker = workers
    for run in workers:
        tiny_run.step(run, 2)
    assert tiny_run.save(chief)
    listing, looks = worker.folder.generations.listing, []

    def late():
        looks.append(None)
        found = listing()
        return found if len(looks) > 2 else dict([*found.items()][:1])

    monkeypatch.setattr(worker.folder.generations, "listing", late)
    assert both(*workers, lambda run: run.callback.restore()) == [True, True]
    assert [run.state.step for run in workers] == [4, 4]


def test_workers_that_cannot_agree_refuse(workers, monkeypatch):
    _, worker = workers
    monkeypatch.setattr(backup_reader, "_VISIBLE_SECONDS", 0.0)
    monkeypatch.setattr(worker.folder.generations, "listing", dict)
    ended = both(*workers, lambda run: run.callback.restore())
    assert [type(error) for error in ended] == [UserError, UserError]
    assert "the workers are not at the same step" in str(ended[0])


def test_workers_without_a_backup_begin_together(run_dirs):
    shared = TwoWorkers()
    chief = tiny_run.make(*run_dirs, workers=shared.of(chief=True))
    worker = tiny_run.make(
        *run_dirs, chief=False, workers=shared.of(chief=False)
    )
    ended = both(chief, worker, lambda run: run.callback.on_train_begin())
    assert ended == [None, None]
    assert [run.state.step for run in (chief, worker)] == [0, 0]


def test_a_trainer_whose_folder_was_taken_stops(run_dirs):
    run = tiny_run.begin(*run_dirs)
    tiny_run.step(run)
    assert tiny_run.save(run)
    other = tiny_run.begin(run_dirs[0], run_dirs[1].with_name("other"))
    tiny_run.step(other)
    assert tiny_run.save(other)
    tiny_run.step(run, 5)
    run.callback.save()
    run.callback.wait()
    with pytest.raises(UserError, match=r"taken over by .*leg 2"):
        run.callback.on_train_batch_end(0)
    again = tiny_run.begin(*run_dirs)
    assert (again.state.step, again.state.leg) == (2, 3)


CHANGED = tiny_run.IDENTITY | {"seed": 1}


def test_another_run_is_refused_by_name(run_dirs):
    run = tiny_run.begin(*run_dirs)
    tiny_run.step(run)
    assert tiny_run.save(run)
    with pytest.raises(UserError, match=r"--seed \(was 0, now 1\).*--restart"):
        tiny_run.make(*run_dirs, identity=CHANGED).folder.refuse_other_run()
    other_data = tiny_run.IDENTITY | {"dataset": "d2"}
    with pytest.raises(UserError, match="the dataset in --data_dir"):
        tiny_run.make(*run_dirs, identity=other_data).folder.refuse_other_run()
    tiny_run.make(*run_dirs).folder.refuse_other_run()


def test_a_backup_older_than_a_flag_has_its_default(run_dirs):
    run = tiny_run.begin(*run_dirs)
    tiny_run.step(run)
    assert tiny_run.save(run)
    defaults = {"seed": 7, "gamma": 0.5}
    newer = {
        value: {
            "identity": tiny_run.IDENTITY | {"gamma": value},
            "defaults": defaults,
        }
        for value in (0.5, 2.0)
    }
    with pytest.raises(UserError, match=r"--gamma \(was 0.5, now 2.0"):
        tiny_run.make(*run_dirs, **newer[2.0]).folder.refuse_other_run()
    tiny_run.make(*run_dirs, **newer[0.5]).folder.refuse_other_run()
    again = tiny_run.begin(*run_dirs, **newer[0.5])
    assert again.state.step == 1


def test_a_newer_format_is_refused(run_dirs, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(run_document, "FORMAT", 4)
        patch.setattr(run_document, "FORMATS", (1, 2, 3, 4))
        run = tiny_run.begin(*run_dirs)
        tiny_run.step(run)
        assert tiny_run.save(run)
    match = "format 4, this version reads formats 1 to 3"
    with pytest.raises(UserError, match=match):
        tiny_run.make(*run_dirs).folder.refuse_other_run()
    # --restart goes on from there, and does not stumble over them.
    again = tiny_run.begin(*run_dirs, restart=True)
    tiny_run.step(again)
    assert tiny_run.save(again)
    assert again.callback.failures == 0


def test_restart_keeps_the_old_run_until_the_new_one_has_its_own(
    run_dirs, caplog
):
    run = tiny_run.begin(*run_dirs)
    tiny_run.step(run, 9)
    assert tiny_run.save(run)
    new = tiny_run.begin(*run_dirs, identity=CHANGED, restart=True)
    assert new.state.step == 0
    assert "starting from the beginning" in caplog.text
    assert tiny_run.make(*run_dirs).callback.reader.restore(run.state)
    tiny_run.step(new)
    assert tiny_run.save(new)
    again = tiny_run.begin(*run_dirs, identity=CHANGED)
    assert again.state.step == 1
    # Its own backup damaged, it is not the old run that it goes on with.
    newest = again.folder.generations.newest_first()[0]
    (run_dirs[0] / newest.generation.archive).write_bytes(b"")
    with pytest.raises(UserError, match=r"has 0 bytes.*of another run"):
        tiny_run.begin(*run_dirs, identity=CHANGED)


def test_a_restart_of_the_same_run_does_not_fall_back_on_the_old(run_dirs):
    run = tiny_run.begin(*run_dirs)
    tiny_run.step(run, 9)
    assert tiny_run.save(run)
    new = tiny_run.begin(*run_dirs, restart=True)
    tiny_run.step(new, 2)
    assert tiny_run.save(new)
    tiny_run.step(new, 2)
    assert tiny_run.save(new)
    newest = new.folder.generations.newest_first()[0]
    path = run_dirs[0] / newest.generation.archive
    path.write_bytes(b"x" * path.stat().st_size)
    again = tiny_run.begin(*run_dirs)
    assert again.state.step == 2


def test_it_is_keras_s_callback(run_dirs):
    run = tiny_run.begin(*run_dirs)
    assert isinstance(run.callback, keras.callbacks.BackupAndRestore)


def test_disk_of_the_machine_is_warned_of_once(run_dirs, caplog):
    tiny_run.begin(*run_dirs)
    assert caplog.text.count("are lost with it") == 1
