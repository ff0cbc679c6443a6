"""The lease: who may train into a folder, and who must wait."""

import json
import os
import subprocess
import sys

import pytest

import storage
from storage import UserError, lease, processes
from storage.lease import Lease, Owner

OWNER = Owner("trainer", "training", "--backup_dir")


@pytest.fixture(autouse=True)
def _short_watch(monkeypatch):
    monkeypatch.setattr(lease, "WATCH_SECONDS", 0.3)
    monkeypatch.setattr(lease, "_POLL_SECONDS", 0.01)


def look(folder, **options):
    """Returns a lease; the files LEG-NAME are what owners add as they work."""
    found = storage.open_folder(folder)
    found.make()

    def work():
        return {name: int(name.partition("-")[0]) for name in found.list()}

    return Lease(found, OWNER, signs_of_life=work, **options)


def leave_beat(folder, *, name="beat-00.json", **changed):
    beat = {
        "machine": processes.machine_id(),
        "pid": os.getpid(),
        "start": processes.process_start(os.getpid()),
        "leg": 4,
        "beat": 7,
        "released": False,
    }
    (folder / "lease").mkdir(parents=True, exist_ok=True)
    (folder / "lease" / name).write_text(json.dumps(beat | changed))


def test_a_free_folder_is_acquired_as_leg_1_and_released(tmp_path):
    first = look(tmp_path)
    assert not (tmp_path / "lease").exists()  # Looking writes nothing.
    first.acquire()
    assert first.leg == 1
    first.release()
    second = look(tmp_path)
    second.acquire()
    assert second.leg == 2


def test_a_live_process_of_this_machine_is_refused(tmp_path):
    leave_beat(tmp_path)
    found = look(tmp_path)
    message = f"process {os.getpid()} of this machine is training into it"
    with pytest.raises(UserError, match=message):
        found.refuse_if_held_here()
    with pytest.raises(UserError, match="leg 4"):
        found.acquire()
    assert len(list((tmp_path / "lease").iterdir())) == 1


def test_a_dead_process_of_this_machine_is_replaced_at_once(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(lease, "WATCH_SECONDS", 1e9)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1)
    start = processes.process_start(process.pid)
    leave_beat(tmp_path, pid=process.pid, start=start)
    with pytest.raises(UserError):
        look(tmp_path).acquire()
    process.kill()
    # Not waited for yet: a zombie trains no more.
    while processes.process_start(process.pid) is not None:
        pass
    found = look(tmp_path)
    found.acquire()
    assert found.leg == 5
    process.wait()


def test_a_process_number_used_again_is_not_the_holder(tmp_path):
    leave_beat(tmp_path, start="1")
    found = look(tmp_path)
    found.acquire()
    assert found.leg == 5


def test_another_machine_that_is_silent_is_waited_out(tmp_path):
    leave_beat(tmp_path, machine="other")
    found = look(tmp_path)
    found.refuse_if_held_here()
    began = lease.time.monotonic()
    found.acquire()
    assert lease.time.monotonic() - began >= 0.25
    assert found.leg == 5


def test_the_wait_begins_with_the_look(tmp_path, monkeypatch):
    leave_beat(tmp_path, machine="other")
    found = look(tmp_path)
    found._seen_at -= 0.3
    monkeypatch.setattr(lease.time, "sleep", lambda s: pytest.fail("waited"))
    found.acquire()


def test_another_machine_that_beats_is_refused(tmp_path):
    leave_beat(tmp_path, machine="other")
    found = look(tmp_path)
    leave_beat(tmp_path, name="beat-01.json", machine="other", beat=8)
    with pytest.raises(UserError, match="trainer on another machine"):
        found.acquire()


def test_another_machine_whose_work_moves_is_refused(tmp_path):
    leave_beat(tmp_path, machine="other")
    found = look(tmp_path)
    (tmp_path / "4-new").write_bytes(b"")
    with pytest.raises(UserError, match="trainer on another machine"):
        found.acquire()


def test_late_work_of_a_lower_leg_is_no_sign_of_life(tmp_path):
    leave_beat(tmp_path, machine="other")
    found = look(tmp_path)
    (tmp_path / "3-new").write_bytes(b"")
    found.acquire()
    assert found.leg == 5


def test_a_released_lease_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(lease, "WATCH_SECONDS", 1e9)
    leave_beat(tmp_path, machine="other")
    found = look(tmp_path)
    leave_beat(
        tmp_path, name="beat-01.json", machine="other", beat=8, released=True
    )
    found.acquire()
    assert found.leg == 5


def test_the_leg_goes_on_from_the_work_too(tmp_path):
    (tmp_path / "9-new").write_bytes(b"")
    found = look(tmp_path)
    found.acquire()
    assert found.leg == 10


def test_damaged_and_strange_beats_are_passed_over(tmp_path):
    leave_beat(tmp_path, machine="other", released=True)
    for k, text in enumerate(["", "{", "[]", "3", '{"leg": 99}', "null"]):
        (tmp_path / "lease" / f"x{k}").write_text(text)
    found = look(tmp_path)
    found.acquire()
    assert found.leg == 5


def test_beats_stay_few_and_each_rests_for_minutes(tmp_path):
    found = look(tmp_path)
    found.acquire()
    for _ in range(100):
        found.renew()
    assert len(list((tmp_path / "lease").iterdir())) == 12
    assert 12 * lease.RENEW_SECONDS >= 180
    assert look(tmp_path)._seen["beat"] == 100


def test_of_two_that_start_at_once_one_is_told(tmp_path):
    found = look(tmp_path)
    found.acquire()
    assert found.lost_to() is None
    leave_beat(tmp_path, name="beat-03.json", leg=1, machine="0 other")
    assert "on 0 other" in found.lost_to()
    leave_beat(tmp_path, name="beat-03.json", leg=1, machine="zzz")
    assert found.lost_to() is None
    leave_beat(tmp_path, name="beat-03.json", leg=2, machine="zzz")
    assert "on zzz" in found.lost_to()


def test_the_next_owner_can_check_what_the_last_one_said(tmp_path):
    seen = []
    first = look(tmp_path, extra={"build": "a"})
    first.acquire(seen.append)
    assert seen == []  # There was none.
    first.release()
    look(tmp_path).acquire(seen.append)
    assert seen == [{"build": "a"}]

    def refuse(extra):
        raise UserError(f"another build: {extra}")

    leave_beat(tmp_path, name="beat-05.json", pid=1, start="1")
    before = sorted((tmp_path / "lease").iterdir())
    with pytest.raises(UserError, match="another build: {}"):
        look(tmp_path).acquire(refuse)
    assert sorted((tmp_path / "lease").iterdir()) == before


def test_a_beat_is_what_it_always_was(tmp_path):
    look(tmp_path).acquire()
    (beat,) = (tmp_path / "lease").iterdir()
    assert beat.name == "beat-00.json"
    assert json.loads(beat.read_text()) == {
        "machine": processes.machine_id(),
        "pid": os.getpid(),
        "start": processes.process_start(os.getpid()),
        "leg": 1,
        "beat": 0,
        "released": False,
    }


def test_a_removed_lease_leaves_nothing(tmp_path):
    found = look(tmp_path)
    found.remove()  # There is none.
    found.acquire()
    for _ in range(13):
        found.renew()
    found.remove()
    assert list(tmp_path.iterdir()) == []
