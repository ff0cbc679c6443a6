"""A fault at each call of the system in turn, as SQLite tests its own.

A leg starts, restores, saves twice, prunes and exports what it leaves. One of
its calls on the backup folder fails, or is its last. Whatever that does to the
leg, the next start goes on from the newest backup that was reported as saved,
or a later one, with the right values.
"""

import errno
import logging
import random
import shutil
import threading

import faults
import pytest
import tiny_run

from storage import UserError, hangs, retry
from storage.ownership import heartbeat, watch
from trainer.backup import finished_run, save_thread

pytestmark = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnhandledThreadExceptionWarning"
)
FILES = {"model.keras": b"model", "summary.json": b"{}", "flags.txt": b"--a"}


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with pytest.MonkeyPatch.context() as patch:
        tiny_run.each_start_is_a_process(patch)
        patch.setattr(retry, "_FIRST_WAIT", 0.0)
        patch.setattr(heartbeat, "_EXIT_WAIT_SECONDS", 0.05)
        # A claim that is half written is watched.
        periods = watch.Periods(watch=0.05, poll=0.01)
        patch.setattr(watch, "PERIODS", periods)
        yield


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """A backup folder with the generations of a leg that was killed."""
    folder = tmp_path_factory.mktemp("before")
    run = tiny_run.begin(folder / "drive", folder / "staging", settle=0.0)
    for _ in range(3):
        tiny_run.step(run, 2)
        assert tiny_run.save(run)
    run.folder.lease.renew()
    tiny_run.abandon(run)
    return folder / "drive"


class Leg:
    """A start of the command, which may fail anywhere.

    Attributes:
        saved: The last step that was reported as saved.
        exported: Whether the export was reported to have succeeded.
    """

    def __init__(self, folder, local):
        self.folder = folder
        self.local = local
        self.saved = 0
        self.exported = False
        self.run = None

    def go(self):
        """Raises what ends the leg."""
        self.run = tiny_run.make(self.folder, self.local, settle=0.0)
        self.run.folder.refuse_other_run()
        if finished_run.restore_finished(
            str(self.folder), None, identity=tiny_run.IDENTITY
        ):
            return
        callback = self.run.callback
        callback.on_train_begin()
        state = self.run.state
        assert tiny_run.weight(self.run) == (
            tiny_run.expected_weight(state.step)
        )
        state.begin_leg(callback.leg, "a test", {}, callback.lost)
        for _ in range(2):
            tiny_run.step(self.run, 3)
            if tiny_run.save(self.run):
                self.saved = state.step
        if callback.is_saved:
            self._export()
        callback.folder.release()

    def _export(self):
        for name, data in FILES.items():
            (self.local / name).write_bytes(data)
        folder = self.run.folder
        finished_run.save(
            folder.url,
            self.local,
            identity=folder.identity,
            leg=self.run.state.leg,
            check=folder.check,
        )
        self.exported = True

    def leave(self):
        if self.run is not None:
            tiny_run.abandon(self.run)


def run_leg(folder, local, number, act, *, forever):
    """Returns a leg that has ended, however it did."""
    leg = Leg(folder, local)
    with faults.at(folder, number, act, forever=forever) as plan:
        try:
            leg.go()
        except (UserError, OSError, faults.Kill):
            pass  # Whatever a user is told, or cannot be told.
        finally:
            leg.leave()
    return leg, plan


def check_next_start(folder, local, saved, exported):
    """Checks what a start finds that nothing happens to."""
    workdir = local / "restored"
    finished = finished_run.restore_finished(
        str(folder), workdir, identity=tiny_run.IDENTITY
    )
    assert finished or not exported
    if finished:
        for name, data in FILES.items():
            assert (workdir / name).read_bytes() == data
    run = tiny_run.begin(folder, local)
    assert run.state.step >= saved
    assert tiny_run.weight(run) == tiny_run.expected_weight(run.state.step)
    tiny_run.step(run)
    assert tiny_run.save(run)
    tiny_run.abandon(run)


def copy(before, tmp_path, name):
    folder = tmp_path / name / "drive"
    shutil.copytree(before, folder)
    return folder, tmp_path / name / "local"


KINDS = {
    "EIO": (faults.error(errno.EIO), False),
    "EIO from then on": (faults.error(errno.EIO), True),
    "ENOENT": (faults.error(errno.ENOENT), False),
    "ENOSPC from then on": (faults.error(errno.ENOSPC), True),
    "a kill": (faults.kill, True),
}


@pytest.fixture(scope="module")
def calls(before, tmp_path_factory):
    """How many calls a leg makes that nothing happens to."""
    folder, local = copy(before, tmp_path_factory.mktemp("calls"), "calm")
    leg, plan = run_leg(folder, local, 0, faults.kill, forever=False)
    assert leg.saved == 12
    assert leg.exported
    return plan.calls


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_at_every_call(before, tmp_path, calls, kind):
    act, forever = KINDS[kind]
    assert calls > 50
    for number in range(1, calls + 1):
        folder, local = copy(before, tmp_path, str(number))
        leg, plan = run_leg(folder, local, number, act, forever=forever)
        try:
            check_next_start(folder, local, leg.saved or 6, leg.exported)
        except BaseException as error:
            error.add_note(f"{kind} at call {number}: {plan.log[number - 1]}")
            raise
        shutil.rmtree(folder.parent)


def test_a_kill_in_the_recovery_from_a_kill(before, tmp_path, calls):
    rng = random.Random(0)
    for number in range(1, calls + 1):
        folder, local = copy(before, tmp_path, str(number))
        saved, exported = 6, False
        for call in (number, rng.randint(1, calls), rng.randint(1, calls)):
            leg, _ = run_leg(folder, local, call, faults.kill, forever=True)
            saved, exported = max(saved, leg.saved), exported or leg.exported
        check_next_start(folder, local, saved, exported)
        shutil.rmtree(folder.parent)


class Reports(logging.Handler):
    """Collects the lines that report a folder that does not answer.

    Only lines about folders in `root`: the heartbeats of other tests' runs may
    still report theirs.
    """

    def __init__(self, root):
        super().__init__(logging.WARNING)
        self.root = str(root)
        self.lines = []
        self.missing = []
        self._more = threading.Condition()

    def emit(self, record):
        line = record.getMessage()
        if line.startswith(self.root) and "does not answer" in line:
            with self._more:
                self.lines.append(line)
                self._more.notify_all()

    def wait(self):
        """Hangs until two more lines have been logged."""
        with self._more:
            enough = len(self.lines) + 2
            if not self._more.wait_for(lambda: len(self.lines) >= enough, 10):
                self.missing.append(enough - len(self.lines))


@pytest.fixture
def reports(monkeypatch, tmp_path):
    monkeypatch.setattr(hangs, "REPORT_SECONDS", 0.005)
    # The last call of a leg is that of its heartbeat.
    monkeypatch.setattr(heartbeat, "_EXIT_WAIT_SECONDS", 10.0)
    reports = Reports(tmp_path)
    logging.getLogger("absl").addHandler(reports)
    yield reports
    logging.getLogger("absl").removeHandler(reports)


def test_a_hang_at_every_call_is_reported_and_waited_for(
    before, tmp_path, calls, reports
):
    """The leg ends as it would without the hang."""
    for number in range(1, calls + 1):
        folder, local = copy(before, tmp_path, str(number))
        leg, plan = run_leg(folder, local, number, reports.wait, forever=False)
        at = f"at call {number}: {plan.log[number - 1]}"
        assert (leg.saved, leg.exported) == (12, True), at
        assert not reports.missing, at
        assert reports.lines[-1].startswith(f"{folder}"), at
        check_next_start(folder, local, 12, exported=True)
        shutil.rmtree(folder.parent)


def test_a_kill_in_a_hang(before, tmp_path, calls, reports):
    """At every tenth call. The folder is as after a kill without a hang."""

    def hang():
        reports.wait()
        raise faults.Kill

    for number in range(1, calls + 1, 10):
        folder, local = copy(before, tmp_path, str(number))
        leg, _ = run_leg(folder, local, number, hang, forever=False)
        check_next_start(folder, local, leg.saved or 6, leg.exported)
        shutil.rmtree(folder.parent)
    assert not reports.missing


def test_a_hang_at_every_call_of_a_save(before, tmp_path, monkeypatch):
    """The save is abandoned, and the one after it is complete."""
    monkeypatch.setattr(save_thread, "_REPORT_SECONDS", 0.05)
    number = 0
    while True:
        number += 1
        folder, local = copy(before, tmp_path, str(number))
        run = tiny_run.begin(folder, local, settle=0.0)
        tiny_run.step(run)
        end = threading.Event()

        def hang(end=end):
            # Now, because a save that is only slow is not abandoned.
            monkeypatch.setattr(save_thread, "_LONGEST_SAVE_SECONDS", 0.0)
            end.wait()

        with faults.at(folder, number, hang) as plan:
            monkeypatch.setattr(save_thread, "_LONGEST_SAVE_SECONDS", 60.0)
            saved = tiny_run.save(run)
            plan.number = 0
            monkeypatch.setattr(save_thread, "_LONGEST_SAVE_SECONDS", 60.0)
            tiny_run.step(run)
            assert tiny_run.save(run)
            end.set()
        tiny_run.abandon(run)
        check_next_start(folder, local, 8, exported=False)
        shutil.rmtree(folder.parent)
        if saved:
            break
    assert number > 10
