"""A finished run's files: where a reset cannot reach them."""

import json
import logging

import pytest

import storage
from storage import LostError, UserError, retry
from trainer.backup import finished_run
from trainer.backup.generation import Generation

RUN = {"seed": 0, "dataset": "d"}


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    for name in ("model.keras", "summary.json", "metrics.csv", "flags.txt"):
        (folder / name).write_text(f"this is {name}")
    return folder


def save(tmp_path, work, leg=1, identity=RUN, check=lambda: None):
    finished_run.save(
        str(tmp_path / "b"), work, identity=identity, leg=leg, check=check
    )


def restore(tmp_path, work, identity=RUN):
    return finished_run.restore_finished(
        str(tmp_path / "b"), work, identity=identity
    )


def names(tmp_path):
    return sorted(p.name for p in (tmp_path / "b" / "final").iterdir())


ALL = [
    "flags.txt",
    "manifest-0001.json",
    "metrics.csv",
    "model.keras",
    "summary.json",
]


def test_a_lost_workdir_is_filled_up(tmp_path, work):
    assert not restore(tmp_path, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    save(tmp_path, work)
    assert names(tmp_path) == ALL
    assert restore(tmp_path, tmp_path / "new")
    files = {p.name: p.read_text() for p in (tmp_path / "new").iterdir()}
    assert files == {
        n: f"this is {n}" for n in ALL if not n.startswith("manifest")
    }


def test_a_file_that_was_changed_is_restored(tmp_path, work):
    save(tmp_path, work)
    (work / "metrics.csv").write_text("spoilt")
    assert restore(tmp_path, work)
    assert (work / "metrics.csv").read_text() == "this is metrics.csv"


def test_another_run_is_not_finished(tmp_path, work):
    save(tmp_path, work)
    assert not restore(tmp_path, work, identity=RUN | {"seed": 1})
    # A run that was started over since has backups of a higher leg.
    name = Generation(2, 10, 0).archive
    (tmp_path / "b" / name).write_bytes(b"")
    assert not restore(tmp_path, work)


class Kill(BaseException):
    """As a SIGKILL: nothing of the export goes on."""


def test_an_export_killed_anywhere_is_made_again(tmp_path, work, monkeypatch):
    """Half written files stay behind; none is ever taken for a whole one."""
    for kill_at in range(1, 9):
        backup_dir = tmp_path / str(kill_at)
        calls = []
        local = type(storage.open_folder(tmp_path))
        upload, delete = local.upload, local.delete

        def half(self, path, name, calls=calls, at=kill_at, upload=upload):
            calls.append(name)
            if len(calls) == at:
                (self.path / name).write_bytes(path.read_bytes()[:5])
                raise Kill
            upload(self, path, name)

        def stop(self, name, calls=calls, at=kill_at, delete=delete):
            calls.append(name)
            if len(calls) == at:
                raise Kill
            delete(self, name)

        with monkeypatch.context() as patch:
            patch.setattr(local, "upload", half)
            patch.setattr(local, "delete", stop)
            killed = False
            try:
                save(backup_dir, work)
            except Kill:
                killed = True
        assert killed == (kill_at <= 7)
        if kill_at <= 6:  # The list, 4 files, the manifest; then it goes.
            assert not restore(backup_dir, tmp_path / "no")
        (work / "summary.json").write_text("another leg's summary")
        save(backup_dir, work, leg=2)
        (work / "summary.json").write_text("this is summary.json")
        new = tmp_path / f"new{kill_at}"
        assert restore(backup_dir, new)
        assert (new / "summary.json").read_text() == "another leg's summary"
        assert (new / "model.keras").read_text() == "this is model.keras"
        assert len(names(backup_dir)) == 5


def test_a_second_export_uses_no_name_twice(tmp_path, work):
    save(tmp_path, work)
    (work / "summary.json").write_text("new")
    save(tmp_path, work, leg=3)
    assert names(tmp_path) == [
        "flags.txt",
        "leg0003-summary.json",
        "manifest-0003.json",
        "metrics.csv",
        "model.keras",
    ]
    manifest = tmp_path / "b" / "final" / "manifest-0003.json"
    files = json.loads(manifest.read_text())["files"]
    assert files["summary.json"]["stored"] == "leg0003-summary.json"
    assert restore(tmp_path, tmp_path / "new")
    assert (tmp_path / "new" / "summary.json").read_text() == "new"


@pytest.mark.parametrize(
    "harm", [lambda p: p.unlink(), lambda p: p.write_text("other")]
)
def test_damage_means_making_it_again(tmp_path, work, harm, caplog):
    save(tmp_path, work)
    harm(tmp_path / "b" / "final" / "model.keras")
    with caplog.at_level(logging.WARNING):
        assert not restore(tmp_path, tmp_path / "new")
    assert "made again from the last backup" in caplog.text
    assert not (tmp_path / "new" / "model.keras").exists()
    save(tmp_path, work, leg=2)
    assert restore(tmp_path, tmp_path / "new")


def test_a_mount_s_moment_of_weakness(tmp_path, work, monkeypatch):
    waits = []
    monkeypatch.setattr(retry.time, "sleep", waits.append)
    local = type(storage.open_folder(tmp_path))
    upload = local.upload

    def weak(self, path, name):
        if name == "model.keras" and not waits:
            (self.path / name).write_bytes(b"half")
            raise OSError(107, "Transport endpoint is not connected")
        upload(self, path, name)

    monkeypatch.setattr(local, "upload", weak)
    save(tmp_path, work)
    assert waits == [1.0]
    assert restore(tmp_path, tmp_path / "new")
    assert (tmp_path / "new" / "model.keras").read_text().startswith("this")


MINE = {"model.keras": "mine", "notes.txt": "mine", "leg1.txt": "", "x": "mine"}


def test_the_user_s_own_files_stay(tmp_path, work):
    final = tmp_path / "b" / "final"
    final.mkdir(parents=True)
    for name, text in MINE.items():
        (final / name).write_text(text)
    for leg in (1, 2):
        (work / "model.keras").write_text(f"the model of leg {leg}")
        save(tmp_path, work, leg=leg)
    assert {name: (final / name).read_text() for name in MINE} == MINE
    assert set(names(tmp_path)) - MINE.keys() == {
        "flags.txt",
        "leg0002-model.keras",
        "manifest-0002.json",
        "metrics.csv",
        "summary.json",
    }
    assert restore(tmp_path, tmp_path / "new")
    text = (tmp_path / "new" / "model.keras").read_text()
    assert text == "the model of leg 2"


def test_what_a_higher_leg_has_exported_stays(tmp_path, work):
    save(tmp_path, work, leg=3)
    before = {
        p.name: p.read_bytes() for p in (tmp_path / "b" / "final").iterdir()
    }
    (work / "metrics.csv").write_text("of leg 2")
    save(tmp_path, work, leg=2)  # It lost the folder without seeing it yet.
    final = tmp_path / "b" / "final"
    assert {n: (final / n).read_bytes() for n in before} == before
    assert restore(tmp_path, tmp_path / "new")
    text = (tmp_path / "new" / "metrics.csv").read_text()
    assert text == "this is metrics.csv"


def test_nothing_is_deleted_before_the_new_manifest_is_complete(
    tmp_path, work, monkeypatch
):
    save(tmp_path, work)
    (work / "metrics.csv").write_text("new")
    local = type(storage.open_folder(tmp_path))
    deleted = []

    def delete(self, name):
        assert (self.path / "manifest-0002.json").exists()
        deleted.append(name)

    monkeypatch.setattr(local, "delete", delete)
    save(tmp_path, work, leg=2)
    assert deleted == [
        "manifest-0001.json",
        "metrics.csv",
        "unfinished-0002.json",
    ]


@pytest.mark.parametrize("changes", range(6))
def test_an_export_that_lost_the_folder_changes_no_more(
    tmp_path, work, changes
):
    looks = []

    def check():
        looks.append(None)
        if len(looks) > changes:
            raise LostError("taken over")

    save(tmp_path / "whole", work)
    with pytest.raises(LostError):
        save(tmp_path, work, check=check)
    found = names(tmp_path) if (tmp_path / "b").exists() else []
    # Making the folder is the first change, the list of names the second.
    assert len(found) == max(0, changes - 1)
    assert not restore(tmp_path, tmp_path / "no")


def test_a_folder_whose_mount_is_gone_is_not_written_to(
    tmp_path, work, monkeypatch
):
    monkeypatch.setattr(retry.time, "sleep", lambda seconds: None)

    def check():
        raise OSError("is it still mounted?")

    with pytest.raises(OSError, match="still mounted"):
        save(tmp_path, work, check=check)
    assert not (tmp_path / "b").exists()


def test_a_store_without_delete_permission_is_no_failure(
    tmp_path, work, monkeypatch, caplog
):
    save(tmp_path, work)

    def refuse(self, name):
        raise UserError("no access")

    monkeypatch.setattr(type(storage.open_folder(tmp_path)), "delete", refuse)
    save(tmp_path, work, leg=2)
    assert "Files of earlier exports are not deleted" in caplog.text
    assert restore(tmp_path, tmp_path / "new")


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("name", ["../metrics.csv", "/tmp/x", "..\\x", ""])
def test_a_name_that_leads_out_of_the_folder_is_refused(
    tmp_path, work, name, stored
):
    save(tmp_path, work)
    path = tmp_path / "b" / "final" / "manifest-0001.json"
    manifest = json.loads(path.read_text())
    if stored:
        manifest["files"]["metrics.csv"]["stored"] = name
    else:
        manifest["files"][name] = manifest["files"].pop("metrics.csv")
    path.write_text(json.dumps(manifest))
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(UserError, match="manifest-0001.json: .* is not the"):
        restore(tmp_path, tmp_path / "new")
    with pytest.raises(UserError, match="is not the name of a file"):
        finished_run.finished_leg(str(tmp_path / "b"))
    after = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert after == before


def test_a_manifest_of_another_shape_is_none(tmp_path, work):
    save(tmp_path, work)
    path = tmp_path / "b" / "final" / "manifest-0001.json"
    no_digest = {"stored": "model.keras"}
    for files in ([], None, {"model.keras": "x"}, {"model.keras": no_digest}):
        manifest = {"identity": RUN, "leg": 1, "files": files}
        path.write_text(json.dumps(manifest))
        assert not restore(tmp_path, tmp_path / "new")
