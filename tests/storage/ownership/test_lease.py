"""The lease: who may train into a folder, and who must wait."""

import json
import os
import subprocess
import sys

import pytest

import storage
from storage import LostError, UserError
from storage.ownership import processes, watch
from storage.ownership.lease import Lease
from storage.ownership.owner import Owner
from storage.ownership.watch import Periods

OWNER = Owner("trainer", "training", "run", "--backup_dir")
TOKEN = "5" * 8


@pytest.fixture(autouse=True)
def _short_watch(monkeypatch):
    monkeypatch.setattr(watch, "PERIODS", Periods(watch=0.3, poll=0.01))


def look(folder, **options):
    """Returns a lease; the files LEG-NAME are what owners add as they work."""
    found = storage.open_folder(folder)
    found.make()

    def work():
        return {
            name: int(name.partition("-")[0])
            for name in found.list()
            if name[0].isdigit()
        }

    return Lease(found, OWNER, signs_of_life=work, **options)


def acquired(folder, **options):
    found = look(folder, **options)
    found.acquire()
    return found


def leave_beat(folder, *, name=None, **changed):
    """Leaves a beat; with a name as of a version without tokens."""
    beat = {
        "machine": processes.machine_id(),
        "pid": os.getpid(),
        "start": processes.process_start(os.getpid()),
        "leg": 4,
        "beat": 7,
        "released": False,
        "token": TOKEN,
    }
    beat |= changed
    if name:
        del beat["token"]
    else:
        name = f"beat-{beat['leg']:04d}-{beat['token']}-{beat['beat']:02d}.json"
    (folder / "lease").mkdir(parents=True, exist_ok=True)
    (folder / "lease" / name).write_text(json.dumps(beat))


def names(folder):
    return sorted(path.name for path in (folder / "lease").iterdir())


@pytest.fixture(params=["a token", "no token"])
def leave(request, tmp_path):
    """Leaves a beat of this version, or of one without tokens."""

    def leave(**changed):
        beat = changed.get("beat", 7)
        old = f"beat-{beat:02d}.json" if request.param == "no token" else None
        leave_beat(tmp_path, **{"name": old, **changed})

    return leave


def test_a_free_folder_is_acquired_as_leg_1_and_released(tmp_path):
    first = look(tmp_path)
    assert not (tmp_path / "lease").exists()  # Looking writes nothing.
    first.acquire()
    assert first.leg == 1
    first.release()
    assert acquired(tmp_path).leg == 2


def test_a_live_process_of_this_machine_is_refused(tmp_path, leave):
    leave()
    found = look(tmp_path)
    message = f"process {os.getpid()} of this machine is training with it"
    with pytest.raises(UserError, match=message):
        found.refuse_if_held_here()
    with pytest.raises(UserError, match="leg 4"):
        found.acquire()
    assert len(names(tmp_path)) == 1


def test_a_dead_process_of_this_machine_is_replaced_at_once(
    tmp_path, monkeypatch, leave
):
    monkeypatch.setattr(watch, "PERIODS", Periods(watch=1e9))
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1)
    start = processes.process_start(process.pid)
    leave(pid=process.pid, start=start)
    with pytest.raises(UserError):
        acquired(tmp_path)
    process.kill()
    # Not waited for yet: a zombie trains no more.
    while processes.process_start(process.pid) is not None:
        pass
    assert acquired(tmp_path).leg == 5
    process.wait()


def test_a_process_number_used_again_is_not_the_holder(tmp_path, leave):
    leave(start="1")
    assert acquired(tmp_path).leg == 5


def test_another_machine_that_is_silent_is_waited_out(tmp_path, leave):
    leave(machine="other")
    found = look(tmp_path)
    found.refuse_if_held_here()
    began = watch.time.monotonic()
    found.acquire()
    assert watch.time.monotonic() - began >= 0.25
    assert found.leg == 5


def never_waits(monkeypatch):
    monkeypatch.setattr(watch.time, "sleep", lambda s: pytest.fail("waited"))


def test_the_wait_begins_with_the_look(tmp_path, monkeypatch, leave):
    leave(machine="other")
    found = look(tmp_path)
    found._watch._began -= 0.3
    never_waits(monkeypatch)
    found.acquire()


def test_a_late_start_compares_with_what_it_first_saw(
    tmp_path, monkeypatch, leave
):
    """A TPU, or the other workers, may take minutes to start."""
    leave(machine="other")
    found = look(tmp_path)
    found._watch._began -= 1000.0
    never_waits(monkeypatch)
    leave(machine="other", beat=8)
    with pytest.raises(UserError, match="trainer on another machine"):
        found.acquire()


def test_a_late_start_sees_work_too(tmp_path, leave):
    leave(machine="other")
    found = look(tmp_path)
    found._watch._began -= 1000.0
    (tmp_path / "4-new").write_bytes(b"")
    with pytest.raises(UserError, match="trainer on another machine"):
        found.acquire()


def test_another_machine_that_starts_meanwhile_is_refused(tmp_path, leave):
    found = look(tmp_path)
    leave(machine="other", leg=1)
    with pytest.raises(UserError, match="trainer on another machine"):
        found.acquire()


def test_another_machine_that_beats_is_refused(tmp_path, leave):
    leave(machine="other")
    found = look(tmp_path)
    leave(machine="other", beat=8)
    with pytest.raises(UserError, match="trainer on another machine"):
        found.acquire()


def test_another_machine_whose_work_moves_is_refused(tmp_path, leave):
    leave(machine="other")
    found = look(tmp_path)
    (tmp_path / "4-new").write_bytes(b"")
    with pytest.raises(UserError, match="trainer on another machine"):
        found.acquire()


def test_late_work_of_a_lower_leg_is_no_sign_of_life(tmp_path, leave):
    leave(machine="other")
    found = look(tmp_path)
    (tmp_path / "3-new").write_bytes(b"")
    found.acquire()
    assert found.leg == 5


def test_a_released_lease_is_not_waited_for(tmp_path, monkeypatch, leave):
    monkeypatch.setattr(watch, "PERIODS", Periods(watch=1e9))
    leave(machine="other")
    found = look(tmp_path)
    leave(machine="other", beat=8, released=True)
    found.acquire()
    assert found.leg == 5


def test_the_leg_goes_on_from_the_work_too(tmp_path):
    (tmp_path / "9-new").write_bytes(b"")
    assert acquired(tmp_path).leg == 10


def test_damaged_and_strange_files_are_passed_over(tmp_path):
    leave_beat(tmp_path, machine="other", released=True)
    for k, text in enumerate(["", "{", "[]", "3", '{"leg": 99}', "null"]):
        (tmp_path / "lease" / f"x{k}").write_text(text)
        (tmp_path / "lease" / f"beat-{k:02d}.json").write_text(text)
    assert acquired(tmp_path).leg == 5


def test_a_half_written_claim_counts_by_its_name(tmp_path):
    (tmp_path / "lease").mkdir()
    (tmp_path / "lease" / "leg-0007.json").write_text('{"leg"')
    (tmp_path / "lease" / f"beat-0006-{TOKEN}-00.json").write_text("")
    began = watch.time.monotonic()
    assert acquired(tmp_path).leg == 8
    assert watch.time.monotonic() - began >= 0.25  # It may have been alive.


def test_a_beat_that_can_never_be_read_does_not_block_for_ever(
    tmp_path, monkeypatch
):
    leave_beat(tmp_path, machine="other")
    found = look(tmp_path)

    def fail(name):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(found.folder, "read_bytes", fail)
    found.acquire()
    assert found.leg == 5


def test_beats_stay_few_and_each_rests_for_minutes(tmp_path):
    found = acquired(tmp_path)
    for _ in range(100):
        found.renew()
    assert len(names(tmp_path)) == 12 + 1
    assert 12 * Periods().renew >= 180
    assert max(c.beat for c in look(tmp_path)._watch.claims) == 100


def test_the_files_of_dead_owners_go(tmp_path):
    first = acquired(tmp_path)
    for _ in range(15):
        first.renew()
    leave_beat(tmp_path, name="beat-03.json", start="1")
    first.release()
    second = acquired(tmp_path)
    assert second.leg == 5
    assert names(tmp_path) == [f"beat-0005-{second.token}-00.json"] + [
        "leg-0005.json"
    ]


def test_what_drive_doubled_of_dead_owners_goes(tmp_path):
    first = acquired(tmp_path)
    first.release()
    doubled = (f"beat-0001-{first.token}-00 (1).json", "leg-0001 (2).json")
    others = ("leg-0002 (1).json", "leg-0001 (1).txt", "notes (1).json")
    for name in (*doubled, *others):
        (tmp_path / "lease" / name).write_bytes(b"again")
    second = acquired(tmp_path)
    beat = f"beat-0002-{second.token}-00.json"
    assert names(tmp_path) == sorted([beat, "leg-0002.json", *others])
    second.remove()
    assert names(tmp_path) == sorted(others[1:])


def test_a_store_without_delete_permission_is_no_obstacle(
    tmp_path, monkeypatch, caplog
):
    leave_beat(tmp_path, start="1")
    found = look(tmp_path)

    def refuse(name):
        raise UserError("no access")

    monkeypatch.setattr(found.folder, "delete", refuse)
    found.acquire()
    found.refuse_if_lost()
    assert "is not removed: no access" in caplog.text


def test_of_two_that_start_at_once_only_one_claims_the_leg(tmp_path):
    one, two = look(tmp_path), look(tmp_path)
    one._watch.wait()
    two._watch.wait()
    one.folder.make()
    two._watch.refuse_if_changed()
    one._claim_leg()
    two._watch.names = set(names(tmp_path))  # It listed just before.
    with pytest.raises(UserError, match="started in the same moment"):
        two._claim_leg()
    three = look(tmp_path)
    three._watch.names = set()
    with pytest.raises(UserError, match="started in the same moment"):
        three._claim_leg()  # It lists just after.


def test_a_claim_that_fails_for_a_moment_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr("storage.retry.time.sleep", lambda seconds: None)
    found = look(tmp_path)
    create = found.folder.create

    def weak(name, data):
        create(name, data[: len(data) // 2])
        monkeypatch.setattr(found.folder, "create", create)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(found.folder, "create", weak)
    found.acquire()
    assert found.leg == 2
    found.refuse_if_lost()


def lost(found):
    try:
        found.refuse_if_lost()
    except LostError as error:
        return str(error)
    return None


def test_the_highest_leg_and_then_the_greatest_token_owns(tmp_path):
    found = look(tmp_path)
    found.token = "7" * 8
    found.acquire()
    assert lost(found) is None
    leave_beat(tmp_path, leg=0, token="f" * 8, machine="other")
    assert lost(found) is None
    leave_beat(tmp_path, leg=1, token="6" * 8, machine="other")
    assert lost(found) is None
    leave_beat(tmp_path, leg=1, token="8" * 8, machine="other", pid=12)
    assert lost(found) == (
        f"{tmp_path} was taken over by process 12 on other (leg 1): this "
        "trainer stops, and the other trainer continues the run"
    )


@pytest.mark.parametrize(
    "name", ["leg-0002.json", "beat-0002-00000000-00.json"]
)
def test_a_name_alone_shows_the_owner(tmp_path, name):
    """Its content may be shown later."""
    found = acquired(tmp_path)
    (tmp_path / "lease" / name).write_text("")
    assert "taken over by another trainer (leg 2)" in lost(found)


def test_work_of_a_higher_leg_shows_the_owner(tmp_path):
    found = acquired(tmp_path)
    (tmp_path / "1-new").write_bytes(b"")
    assert lost(found) is None
    (tmp_path / "2-new").write_bytes(b"")
    assert "taken over by another trainer (leg 2)" in lost(found)


def test_a_tie_with_a_version_without_tokens_is_decided_as_it_decides(
    tmp_path,
):
    found = acquired(tmp_path)
    name = "beat-03.json"
    leave_beat(tmp_path, name=name, leg=1, machine="zzz")
    assert lost(found) is None
    leave_beat(tmp_path, name=name, leg=1, machine="0 other")
    assert "on 0 other (leg 1)" in lost(found)
    leave_beat(tmp_path, name=name, leg=2, machine="zzz")
    assert "on zzz (leg 2)" in lost(found)


def test_its_own_beats_are_never_read(tmp_path, monkeypatch):
    """A mount would put their upload off."""
    found = acquired(tmp_path)
    monkeypatch.setattr(found.folder, "read_bytes", pytest.fail)
    for _ in range(3):
        found.renew()
        found.refuse_if_lost()


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

    (tmp_path / "b").mkdir()
    leave_beat(tmp_path / "b", name="beat-05.json", pid=1, start="1")
    with pytest.raises(UserError, match="another build: {}"):
        look(tmp_path / "b").acquire(refuse)
    assert names(tmp_path / "b") == ["beat-05.json"]


def test_a_beat_is_what_older_versions_can_read(tmp_path):
    found = acquired(tmp_path)
    beat = f"beat-0001-{found.token}-00.json"
    assert names(tmp_path) == [beat, "leg-0001.json"]
    for name in names(tmp_path):
        assert json.loads((tmp_path / "lease" / name).read_text()) == {
            "machine": processes.machine_id(),
            "pid": os.getpid(),
            "start": processes.process_start(os.getpid()),
            "leg": 1,
            "beat": 0,
            "released": False,
            "token": found.token,
        }


def test_a_removed_lease_leaves_nothing(tmp_path):
    found = look(tmp_path)
    found.remove()  # There is none.
    found.acquire()
    leave_beat(tmp_path, name="beat-05.json")
    for _ in range(13):
        found.renew()
    found.refuse_if_removed()
    found.remove()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "lease").mkdir()
    with pytest.raises(LostError, match="which has ended since"):
        found.refuse_if_removed()
