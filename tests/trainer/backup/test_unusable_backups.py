"""Whatever makes all backups unusable: a refusal, and nothing is changed."""

import errno
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tiny_run

import storage
from storage import UserError, retry
from storage.ownership.heartbeat import Heartbeat
from trainer.backup import archive
from trainer.runtime import run_document


@pytest.fixture(autouse=True)
def _starts(monkeypatch):
    tiny_run.each_start_is_a_process(monkeypatch)
    monkeypatch.setattr(Heartbeat, "_beat", lambda self: None)
    monkeypatch.setattr(retry.time, "sleep", lambda s: None)


@pytest.fixture
def dirs(tmp_path):
    return tmp_path / "drive", tmp_path / "work"


@pytest.fixture
def saved(dirs):
    """A backup folder with two generations, at steps 2 and 4."""
    run = tiny_run.begin(*dirs)
    for _ in range(2):
        tiny_run.step(run, 2)
        assert tiny_run.save(run)
    return dirs[0]


def contents(folder):
    """Returns the bytes and times of all files, those of the lease too."""
    return {
        str(path): path.is_file()
        and (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
    }


def archives(folder):
    return sorted(folder.glob("backup-*.zip"))


def rewrite(path, change):
    """Writes a whole archive anew, with its manifest, after a change."""
    arrays, document = archive.read(path)
    change(arrays, document)
    archive.write(path, arrays, document)
    edit(
        path,
        sha256=storage.file_digest(path),
        bytes=path.stat().st_size,
    )


def edit(path, **changes):
    """Changes the manifest of an archive."""
    manifest = path.with_suffix(".json")
    values = json.loads(manifest.read_text()) | changes
    manifest.write_text(json.dumps(values))


def rename(arrays, _):
    arrays["model/heavy"] = arrays.pop("model/weight")


def reshape(arrays, _):
    arrays["model/weight"] = arrays["model/weight"][:1]


def cast(arrays, _):
    arrays["model/weight"] = arrays["model/weight"].astype(np.float16)


def remove(arrays, _):
    del arrays["optimizer/count"]


def add(arrays, _):
    arrays["model/more"] = np.zeros(3)


def forget(key):
    return lambda arrays, document: document.pop(key)


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


REASONS = {
    "renamed": (
        lambda p: rewrite(p, rename),
        "variable model/heavy: this run has none",
    ),
    "reshaped": (
        lambda p: rewrite(p, reshape),
        r"variable model/weight: expected float32 \(2,\), got float32 \(1,\)",
    ),
    "cast": (
        lambda p: rewrite(p, cast),
        r"variable model/weight: expected float32 \(2,\), got float16 \(2,\)",
    ),
    "missing": (
        lambda p: rewrite(p, remove),
        r"variable optimizer/count: expected int64 \(\), got nothing",
    ),
    "extra": (
        lambda p: rewrite(p, add),
        "variable model/more: this run has none",
    ),
    **{
        f"without {key}": (
            lambda p, key=key: rewrite(p, forget(key)),
            f"its document lacks {key}",
        )
        for key in (
            "step",
            "loss_sum",
            "history",
            "legs",
            "speed",
            "trace",
            "bad_steps",
        )
    },
    "another kind of value": (
        lambda p: rewrite(p, lambda _, d: d.update(history={})),
        "its document has no proper history",
    ),
    "a leg without its devices": (
        lambda p: rewrite(p, lambda _, d: d["legs"][0].pop("devices")),
        "a leg in its document lacks devices",
    ),
    "no leg": (
        lambda p: rewrite(p, lambda _, d: d.update(legs=[])),
        "its document names no leg",
    ),
    "no archive at all": (
        lambda p: p.unlink(),
        "its archive is missing",
    ),
    "truncated": (
        lambda p: p.write_bytes(p.read_bytes()[:100]),
        "its archive has 100 bytes, expected",
    ),
    "empty": (
        lambda p: p.write_bytes(b""),
        "its archive has 0 bytes, expected",
    ),
    "a flipped bit": (flip, "its archive's sha256 is not its manifest's"),
    "a manifest of no JSON": (
        lambda p: p.with_suffix(".json").write_text('{"format": 1'),
        "its manifest: ",
    ),
    "a manifest that lacks something": (
        lambda p: p.with_suffix(".json").write_text('{"format": 2}'),
        "its manifest: it lacks bytes",
    ),
    "a newer format": (
        lambda p: edit(p, format=9),
        "it has format 9, this version reads formats 1 to 3",
    ),
    "another run": (
        lambda p: edit(p, identity={"seed": 9}),
        "it is of another run",
    ),
}


@pytest.mark.parametrize("reason", REASONS)
def test_a_start_is_refused_and_changes_nothing(saved, dirs, tmp_path, reason):
    harm, expected = REASONS[reason]
    for path in archives(saved):
        harm(path)
    before = contents(saved)
    for local in ("work", "another machine"):
        with pytest.raises(UserError, match=expected) as refused:
            tiny_run.begin(saved, tmp_path / local)
        message = str(refused.value)
        assert "--restart" in message
        for path in archives(saved):
            assert path.stem in message
    assert contents(saved) == before


@pytest.mark.parametrize("reason", REASONS)
def test_an_older_one_that_is_whole_is_taken(saved, dirs, reason):
    """What was passed over for it stays for this leg, whatever it saves."""
    harm, _ = REASONS[reason]
    harm(archives(saved)[-1])
    before = contents(saved)
    run = tiny_run.begin(*dirs, settle=0.0)
    assert run.state.step == 2
    assert tiny_run.weight(run) == tiny_run.expected_weight(2)
    for _ in range(5):
        tiny_run.step(run)
        assert tiny_run.save(run)
    after = contents(saved)
    stem = sorted(saved.glob("backup-0001-000000004-*"))[0].stem
    passed_over = {path for path in before if stem in path}
    assert passed_over
    assert {p: after[p] for p in passed_over} == {
        p: before[p] for p in passed_over
    }


def test_a_state_that_does_not_fit_is_not_half_restored(saved, dirs):
    path = archives(saved)[-1]
    rewrite(path, remove)  # The last variable; the first would have fitted.
    run = tiny_run.make(*dirs)
    arrays, document = archive.read(path)
    with pytest.raises(ValueError, match="optimizer/count"):
        run.state.restore(arrays, document)
    del document["bad_steps"]
    with pytest.raises(ValueError, match="bad_steps"):
        run.state.restore(arrays | {"optimizer/count": np.int64(4)}, document)
    assert tiny_run.weight(run) == tiny_run.expected_weight(0)
    assert (run.state.step, run.state.legs) == (0, [])


class BadReads:
    """Makes the first reads of the archives give another byte."""

    def __init__(self, monkeypatch, *, count, error=None):
        self.left = count
        copy = shutil.copyfileobj

        def read(source, sink, length):
            if "backup-" not in str(source.name) or not self.left:
                return copy(source, sink, length)
            self.left -= 1
            if error:
                raise OSError(error, "said the disk")
            data = bytearray(source.read())
            data[len(data) // 2] ^= 1
            return sink.write(data)

        monkeypatch.setattr(shutil, "copyfileobj", read)


def test_one_bad_read_is_read_again(saved, dirs, monkeypatch, caplog):
    bad = BadReads(monkeypatch, count=1)
    run = tiny_run.begin(*dirs)
    assert bad.left == 0
    assert run.state.step == 4
    assert tiny_run.weight(run) == tiny_run.expected_weight(4)
    assert "Skipped backup" not in caplog.text


@pytest.mark.parametrize(
    ("error", "expected"),
    [(None, "sha256 is not its manifest's"), (errno.EIO, "said the disk")],
)
def test_bad_reads_for_ever_are_a_refusal(
    saved, dirs, monkeypatch, error, expected
):
    before = contents(saved)
    with monkeypatch.context() as patch:
        BadReads(patch, count=1000, error=error)
        with pytest.raises(UserError, match=expected):
            tiny_run.begin(*dirs)
    assert contents(saved) == before
    assert tiny_run.begin(*dirs).state.step == 4


def test_what_a_first_save_left_unfinished_is_no_backup(dirs):
    """The run has lost nothing, and begins again by itself."""
    run = tiny_run.begin(*dirs)
    tiny_run.step(run)
    assert tiny_run.save(run)
    (path,) = archives(dirs[0])
    path.write_bytes(path.read_bytes()[:50])
    path.with_suffix(".json").unlink()
    shutil.rmtree(dirs[0] / "lease")
    again = tiny_run.begin(*dirs)
    assert (again.state.step, again.state.leg) == (0, 2)
    tiny_run.step(again)
    assert tiny_run.save(again)
    assert path.exists()


def hide(folder):
    """Makes all backups vanish, not the lease."""
    for path in folder.glob("backup-*"):
        path.unlink()


def test_an_empty_folder_is_refused_if_the_lease_knows_of_a_backup(saved, dirs):
    run = tiny_run.begin(*dirs)  # Its first beat knows of what it resumes.
    newest = archives(saved)[-1].stem
    hide(saved)
    before = contents(saved)
    match = f"shows no complete backup, .* had saved {newest}.*--restart"
    with pytest.raises(UserError, match=match):
        tiny_run.begin(*dirs)
    assert contents(saved) == before
    assert run.folder.leg == 2
    # One that never had a backup, after --restart, is not missed.
    again = tiny_run.begin(*dirs, restart=True)
    assert again.state.step == 0
    assert tiny_run.begin(*dirs).state.step == 0


def test_the_next_beat_knows_of_a_save(dirs):
    run = tiny_run.begin(*dirs)
    tiny_run.step(run)
    assert tiny_run.save(run)
    run.folder.lease.renew()
    hide(dirs[0])
    with pytest.raises(
        UserError, match="its last owner had saved backup-0001-"
    ):
        tiny_run.begin(*dirs)


def test_a_rollback_after_restart_does_not_go_to_the_run_before(saved, dirs):
    run = tiny_run.begin(*dirs, restart=True)
    tiny_run.step(run)
    assert not run.callback.restore()
    assert run.state.step == 1
    assert tiny_run.save(run)
    tiny_run.step(run)
    assert run.callback.restore()
    assert run.state.step == 1


def test_a_backup_that_came_in_after_the_look_is_the_one_restored(
    saved, dirs, tmp_path
):
    """Another trainer may save once more before it is seen to be gone."""
    run = tiny_run.make(saved, tmp_path / "late")
    chosen = run.callback.reader.choose(run.state)
    assert run.state.step == 0
    other = tiny_run.begin(*dirs)
    tiny_run.step(other)
    assert tiny_run.save(other)
    assert run.callback.reader.restore(run.state, chosen)
    assert run.state.step == 5


def test_format_1_may_lack_what_its_first_versions_did_not_have(saved, dirs):
    def age(arrays, document):
        del arrays, document["trace"], document["bad_steps"]
        for leg in document["legs"]:
            for key in leg.keys() - {
                "leg",
                "devices",
                "first_step",
                "last_step",
                "images",
                "seconds",
            }:
                del leg[key]

    path = archives(saved)[-1]
    rewrite(path, age)
    edit(path, format=1)
    run = tiny_run.begin(*dirs)
    assert run.state.step == 4
    assert (run.state.trace, run.state.bad_steps) == ([], [])
    first = run.state.legs[0]
    assert first["devices"] == "a test"
    assert first["settings"] == {}
    assert first["backup_seconds"] == 0.0
    assert first["first_loop_seconds"] is None


def test_the_format_rises_when_the_document_changes():
    """Changed on purpose? Then raise FORMAT, keep reading the older ones, and
    add a backup of the last version to tests/data.
    """
    state = tiny_run.RunState({"w": tf.Variable(0.0)}, steps_per_epoch=1)
    state.begin_leg(1, "a test", {})
    document = state.document()
    assert run_document.FORMAT == 3
    assert set(document) == {
        "step",
        "loss_sum",
        "history",
        "legs",
        "speed",
        "trace",
        "bad_steps",
    }
    assert set(document["legs"][0]) == {
        "leg",
        "devices",
        "settings",
        "first_step",
        "last_step",
        "images",
        "seconds",
        "input_seconds",
        "first_loop_seconds",
        "backup_seconds",
        "seconds_to_first_loop",
        "out_of_memory",
        "age",
        "lost_seconds",
        "lost_steps",
    }
