"""Generations: what is believed, what is kept, what is deleted."""

import hashlib
import json
import os
import random

import pytest

import storage
from trainer.backup import generations
from trainer.backup.generation import Generation
from trainer.backup.generations import Generations
from trainer.runtime import run_document

RUN = {"seed": 0}


class Clock:
    """Seconds that a test sets; `jump` is what the wall clock is ahead."""

    def __init__(self):
        self.now = 1000.0
        self.jump = 0.0

    def time(self):
        return self.now + self.jump

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(generations, "time", found)
    return found


@pytest.fixture
def store(tmp_path):
    (tmp_path / "backup").mkdir()
    return Generations(storage.open_folder(tmp_path / "backup"))


def add(
    store, tmp_path, leg, step, attempt=0, *, run=1, data=b"archive", token="b"
):
    generation = Generation(leg, step, attempt, token)
    (tmp_path / "save.zip").write_bytes(data)
    store.write(
        generation,
        tmp_path / "save.zip",
        epochs=3,
        first_leg=run,
        identity=RUN,
    )
    return generation


def steps(store):
    return [(f.generation.leg, f.generation.step) for f in store.newest_first()]


def test_names_sort_and_are_never_the_same():
    one, two = Generation(2, 1500, 0), Generation(2, 1500, 0)
    assert one.stem.startswith("backup-0002-000001500-000-")
    assert one.stem != two.stem
    assert Generation(2, 1, 0) > Generation(1, 9, 9)
    assert Generation(1, 9, 1) > Generation(1, 9, 0) > Generation(1, 8, 5)


def test_what_is_written_is_found_and_fetched(store, tmp_path):
    add(store, tmp_path, 1, 10, data=b"ten")
    add(store, tmp_path, 1, 20, data=b"twenty")
    fresh = Generations(store.folder)
    newest, older = fresh.newest_first()
    assert newest.generation.step == 20
    fresh.fetch(newest, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"twenty"
    assert older.manifest == {
        "format": run_document.FORMAT,
        "archive": older.generation.archive,
        "sha256": hashlib.sha256(b"ten").hexdigest(),
        "bytes": 3,
        "leg": 1,
        "step": 10,
        "epochs": 3,
        "run": 1,
        "written": older.manifest["written"],
        "identity": RUN,
    }
    assert sorted(p.suffix for p in (tmp_path / "backup").iterdir()) == [
        ".json",
        ".json",
        ".zip",
        ".zip",
    ]


def flip(path):
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("kind", "harm", "why"),
    [
        ("json", lambda p: p.unlink(), "it has no manifest"),
        ("zip", lambda p: p.unlink(), "its archive is missing"),
        ("zip", lambda p: p.write_bytes(b"arch"), "has 4 bytes, expected 7"),
        ("zip", lambda p: p.write_bytes(b""), "has 0 bytes, expected 7"),
        ("json", lambda p: p.write_bytes(b""), "its manifest is empty"),
        ("json", lambda p: p.write_bytes(p.read_bytes()[:50]), "its manifest:"),
        ("json", lambda p: p.write_bytes(b"[]"), "it is not a manifest"),
        ("json", lambda p: p.write_bytes(b'{"format": 1}'), "it lacks bytes"),
    ],
)
def test_a_damaged_one_is_not_believed(store, tmp_path, kind, harm, why):
    add(store, tmp_path, 1, 10)
    bad = add(store, tmp_path, 1, 20)
    harm(tmp_path / "backup" / f"{bad.stem}.{kind}")
    newest, older = Generations(store.folder).newest_first()
    assert newest.manifest is None
    assert why in newest.why
    assert older.manifest["step"] == 10


def test_a_flipped_bit_is_seen(store, tmp_path):
    bad = add(store, tmp_path, 1, 20)
    flip(tmp_path / "backup" / bad.archive)
    fresh = Generations(store.folder)
    with pytest.raises(ValueError, match="sha256 is not its manifest's"):
        fresh.fetch(fresh.newest_first()[0], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_bad_read_is_no_damage(store, tmp_path, monkeypatch):
    found = add(store, tmp_path, 1, 20)
    fresh = Generations(store.folder)
    read, download = fresh.folder.read_bytes, fresh.folder.download
    bad = [found.manifest, found.archive]

    def read_bytes(name):
        if name in bad:
            bad.remove(name)
            return b"{"
        return read(name)

    def copy(name, path, *, sha256):
        if name in bad:
            bad.remove(name)
            sha256 = "of another copy"
        download(name, path, sha256=sha256)

    monkeypatch.setattr(fresh.folder, "read_bytes", read_bytes)
    monkeypatch.setattr(fresh.folder, "download", copy)
    fresh.fetch(fresh.newest_first()[0], tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"archive"
    assert bad == []


def test_a_manifest_is_read_once(store, tmp_path, monkeypatch):
    """Reading what waits for its upload would put the upload off."""
    add(store, tmp_path, 1, 10)
    fresh = Generations(store.folder)
    reads = []
    read = fresh.folder.read_bytes
    monkeypatch.setattr(
        fresh.folder, "read_bytes", lambda n: reads.append(n) or read(n)
    )
    for step in (20, 30, 40):
        add(fresh, tmp_path, 2, step)
        prune(fresh, leg=2, known=set(fresh.listing()))
    assert len(reads) == 1


def test_a_bad_copy_gets_no_manifest(store, tmp_path, monkeypatch):
    upload = store.folder.upload

    def bad(path, name):
        upload(path, name)
        flip(tmp_path / "backup" / name)

    monkeypatch.setattr(store.folder, "upload", bad)
    with pytest.raises(OSError, match="does not read back"):
        add(store, tmp_path, 1, 10)
    assert store.newest_first()[0].why == "it has no manifest"


def test_a_file_that_changed_under_the_save_gets_no_manifest(
    store, tmp_path, monkeypatch
):
    """Its copy equals the file, and neither is what was digested."""
    upload = store.folder.upload

    def change(path, name):
        path.write_bytes(b"another")
        upload(path, name)

    monkeypatch.setattr(store.folder, "upload", change)
    with pytest.raises(OSError, match="does not read back"):
        add(store, tmp_path, 1, 10)
    assert store.newest_first()[0].why == "it has no manifest"


def prune(
    store,
    *,
    leg=1,
    attempt=999,
    run=1,
    known=(),
    passed_over=(),
    settle=60.0,
):
    store.prune(
        newest=Generation(leg, 10**8, attempt, "b"),
        first_leg=run,
        known=set(known),
        passed_over=set(passed_over),
        settle_seconds=settle,
    )


def test_keeps_two_the_settled_and_the_oldest_that_is_not(
    store, tmp_path, clock
):
    kept = []
    for step in range(10, 160, 10):  # A save every 10 s, settled after 60 s.
        add(store, tmp_path, 1, step)
        prune(store)
        kept.append([s for _, s in steps(store)])
        clock.now += 10
    assert kept[:4] == [[10], [20, 10], [30, 20, 10], [40, 30, 10]]
    assert kept[5] == [60, 50, 10]
    assert kept[6] == [70, 60, 50, 10]  # 10 has settled, 50 waits for it.
    assert kept[9] == [100, 90, 50, 10]
    assert kept[10] == [110, 100, 90, 50]
    assert max(map(len, kept)) == 4


@pytest.mark.parametrize("jump", [1e6, -1e6])
@pytest.mark.parametrize("leg", [1, 2])
def test_a_jump_of_the_clock_settles_nothing(store, tmp_path, clock, jump, leg):
    """Neither of this leg's nor of an older one's backups."""
    known = {add(store, tmp_path, 1, step) for step in (10, 20, 30)}
    prune(store, leg=leg, known=known)
    clock.now += 10
    clock.jump = jump
    for step in (40, 50):
        known.add(add(store, tmp_path, leg, step))
        prune(store, leg=leg, known=known)
    assert [step for _, step in steps(store)] == [50, 40, 10]
    clock.now += 51
    add(store, tmp_path, leg, 60)
    prune(store, leg=leg, known=known)
    assert [step for _, step in steps(store)] == [60, 50, 40, 10]


def test_an_older_leg_s_backup_has_the_age_that_its_manifest_gives(
    store, tmp_path, clock
):
    known = {add(store, tmp_path, 1, step) for step in (10, 20, 30)}
    clock.now += 61
    fresh = Generations(store.folder)  # Another machine, minutes later.
    add(fresh, tmp_path, 2, 40)
    prune(fresh, leg=2, known=known)
    assert [step for _, step in steps(fresh)] == [40, 30]


@pytest.mark.parametrize("seed", range(20))
def test_one_that_had_time_to_arrive_is_always_there(
    store, tmp_path, clock, seed
):
    rng = random.Random(seed)
    arrival = 60.0
    written = {}
    for step in range(1, 60):
        generation = add(store, tmp_path, 1, step)
        written[generation] = clock.now
        prune(store, settle=arrival)
        left = store.listing()
        assert len(left) <= 4
        clock.now += rng.choice([1, 5, 10, 40, 100])
        if any(clock.now - t >= 2 * arrival for t in written.values()):
            arrived = [g for g in left if clock.now - written[g] >= arrival]
            # Twice the upload and the gap between two saves, at the most.
            newest = max(written[g] for g in arrived)
            assert clock.now - newest < 2 * (arrival + 100)


def test_what_a_lower_leg_brings_late_is_never_chosen(store, tmp_path):
    known = {add(store, tmp_path, 1, 100), add(store, tmp_path, 1, 200)}
    add(store, tmp_path, 2, 210)
    add(store, tmp_path, 1, 900)  # Leg 1's, uploaded when leg 2 ran already.
    fresh = Generations(store.folder)
    assert fresh.newest_first()[0].generation.leg == 2
    prune(fresh, leg=2, known=known)
    assert steps(fresh) == [(2, 210), (1, 200), (1, 100)]


def test_another_owner_s_are_left_alone(store, tmp_path):
    add(store, tmp_path, 3, 5)
    for step in (10, 20, 30, 40):
        add(store, tmp_path, 2, step)
        prune(store, leg=2)
    assert steps(store)[0] == (3, 5)


def test_of_two_equal_legs_the_owner_s_are_left_alone(store, tmp_path):
    """Two that start at once on a mount may count the same leg."""
    for step in (11, 12, 13):
        add(store, tmp_path, 2, step, token="c")
        add(store, tmp_path, 2, step, token="b")
    prune(store, leg=2)
    assert [(g.step, g.token) for g in sorted(store.listing())] == [
        (11, "b"),
        (11, "c"),
        (12, "b"),
        (12, "c"),
        (13, "b"),
        (13, "c"),
    ]
    add(store, tmp_path, 2, 21, token="a")  # Lost the folder to "b".
    prune(store, leg=2)
    assert 21 not in [g.step for g in store.listing()]


def test_a_save_that_comes_back_late_leaves_later_ones_alone(store, tmp_path):
    """It hung in the mount, and another save is being written meanwhile."""
    late = Generation(1, 30, 3, "b")
    (tmp_path / "backup" / late.archive).write_bytes(b"half")
    for attempt in range(3):
        add(store, tmp_path, 1, 10, attempt)
    prune(store, attempt=2)
    assert late in store.listing()
    prune(store, attempt=3)
    assert late not in store.listing()


def test_the_run_before_a_restart_stays_until_this_one_has_settled(
    store, tmp_path, clock
):
    known = {add(store, tmp_path, 1, 100), add(store, tmp_path, 1, 200)}
    clock.now += 1000
    add(store, tmp_path, 2, 10, run=2)
    prune(store, leg=2, run=2, known=known)
    assert steps(store) == [(2, 10), (1, 200)]
    clock.now += 61
    add(store, tmp_path, 2, 20, run=2)
    prune(store, leg=2, run=2, known=known)
    assert steps(store) == [(2, 20), (2, 10)]


def test_what_cannot_be_read_now_is_not_deleted(store, tmp_path, monkeypatch):
    for step in (10, 20, 30, 40):
        add(store, tmp_path, 1, step)
    fresh = Generations(store.folder)
    read = fresh.folder.read_bytes

    def fail(name):
        if "000000040" in name or "000000010" in name:
            raise OSError(5, "Input/output error")
        return read(name)

    monkeypatch.setattr(fresh.folder, "read_bytes", fail)
    assert fresh.newest_first()[0].error.errno == 5
    prune(fresh, known=fresh.listing())
    assert steps(fresh) == [(1, 40), (1, 30), (1, 20), (1, 10)]


def test_what_was_passed_over_is_not_deleted(store, tmp_path):
    old = [add(store, tmp_path, 1, step) for step in (10, 20)]
    half = Generation(1, 30, 0)
    (tmp_path / "backup" / half.archive).write_bytes(b"half")
    for step in (12, 14, 16):
        add(store, tmp_path, 2, step)
        prune(store, leg=2, known=old, passed_over={half, old[1]}, settle=0)
    assert steps(store) == [(2, 16), (2, 14), (1, 30), (1, 20)]
    prune(store, leg=3, known=old, settle=0)
    assert steps(store) == [(1, 20)]


def test_remains_of_a_failed_save_go(store, tmp_path):
    for name in (
        Generation(1, 5, 0, "b").archive,
        Generation(1, 6, 0, "b").manifest,
    ):
        (tmp_path / "backup" / name).write_bytes(b"half")
    (tmp_path / "backup" / "notes.txt").write_text("mine")
    add(store, tmp_path, 1, 10)
    prune(store)
    assert steps(store) == [(1, 10)]
    assert (tmp_path / "backup" / "notes.txt").exists()


def test_what_drive_doubled_goes(store, tmp_path):
    """But not what is another owner's, unread, or may be the user's own."""
    passed_over = add(store, tmp_path, 1, 10)
    old = [add(store, tmp_path, 1, step) for step in (20, 30, 40, 50)]
    higher = add(store, tmp_path, 3, 1)
    greater = add(store, tmp_path, 2, 70, token="c")
    newest = add(store, tmp_path, 2, 60)
    gone = Generation(1, 5, 0, "b")  # Deleted before its double was seen.
    for generation in (*old, newest, gone):
        double(store, generation.archive, " (1).zip")
        double(store, generation.manifest, " (2).json")
    stay = {
        double(store, passed_over.archive, " (1).zip"),
        double(store, higher.manifest, " (1).json"),
        double(store, greater.archive, " (1).zip"),
        double(store, newest.archive, " (1).txt"),
        double(store, newest.archive, " (of mine).zip"),
        double(store, newest.archive, " (1) (1).zip"),
        double(store, "my own.zip", " (1).zip"),
    }
    known = {passed_over, *old}
    prune(store, leg=2, known=known, passed_over={passed_over}, settle=1e6)
    kept = [passed_over, old[3], newest, higher, greater]
    for generation in kept:
        stay |= {generation.archive, generation.manifest}
    assert set(os.listdir(tmp_path / "backup")) == stay


def double(store, name, end):
    """Writes a file as Drive names a second one; returns its name."""
    name = os.path.splitext(name)[0] + end
    (store.folder.path / name).write_bytes(b"again")
    return name


def test_an_archive_is_emptied_before_it_is_removed(
    store, tmp_path, monkeypatch
):
    """Its manifest goes first, and Drive's trash counts its bytes."""
    found = add(store, tmp_path, 1, 10)
    path = tmp_path / "backup" / found.archive
    sizes = {}
    unlink = os.unlink

    def watch(name, **options):
        sizes[str(name)] = os.stat(name).st_size
        unlink(name, **options)

    monkeypatch.setattr(os, "unlink", watch)
    store.delete(found)
    manifest = tmp_path / "backup" / found.manifest
    assert list(sizes.items()) == [(str(manifest), 0), (str(path), 0)]


def test_another_format_is_seen_as_such(store, tmp_path):
    found = add(store, tmp_path, 1, 10)
    path = tmp_path / "backup" / found.manifest
    path.write_text(json.dumps({"format": 99}))
    fresh = Generations(store.folder)
    assert fresh.newest_first()[0].manifest == {"format": 99}
