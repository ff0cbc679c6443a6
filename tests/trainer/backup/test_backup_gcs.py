"""Backups to gs://, against emulators of Google Cloud Storage."""

import gcs_emulators
import pytest
import tiny_run

import storage
from storage import UserError
from storage.ownership import processes, watch
from storage.ownership.watch import Periods
from trainer.backup import finished_run
from trainer.backup.generation import Generation
from trainer.backup.generations import Generations


@pytest.fixture(params=["gcp_storage_emulator", "fake_gcs_server"])
def bucket(request, monkeypatch):
    with getattr(gcs_emulators, request.param)() as host:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", host)
        from storage import gcs_folder

        gcs_folder._clients.__dict__.clear()
        yield f"gs://{gcs_emulators.BUCKET}"


@pytest.fixture
def _starts(monkeypatch):
    tiny_run.each_start_is_a_process(monkeypatch)


@pytest.mark.usefixtures("_starts")
def test_saved_restored_damaged_and_pruned(bucket, tmp_path):
    url = f"{bucket}/drive/run"
    run = tiny_run.begin(url, tmp_path / "a")
    assert not run.folder.on_mount
    for _ in range(6):
        tiny_run.step(run)
        assert tiny_run.save(run)
        assert len(run.folder.generations.listing()) <= 4
    tiny_run.abandon(run)
    again = tiny_run.begin(url, tmp_path / "b")
    assert (again.state.step, again.state.leg) == (6, 2)
    assert tiny_run.weight(again) == tiny_run.expected_weight(6)
    tiny_run.abandon(again)

    folder = storage.open_folder(url)
    newest, older = again.folder.generations.newest_first()[:2]
    size = folder.list()[newest.generation.archive]
    folder.replace(newest.generation.archive, b"x" * size)
    folder.delete(older.generation.manifest)
    third = tiny_run.begin(url, tmp_path / "c")
    assert third.state.step < 5
    assert tiny_run.weight(third) == tiny_run.expected_weight(third.state.step)
    tiny_run.abandon(third)
    with pytest.raises(UserError, match=r"--seed \(was 0, now 1\)"):
        tiny_run.make(
            url, tmp_path / "d", identity=tiny_run.IDENTITY | {"seed": 1}
        ).folder.refuse_other_run()


def test_the_lease_and_the_final_export(bucket, tmp_path, monkeypatch):
    url = f"{bucket}/run"
    run = tiny_run.begin(url, tmp_path / "a")
    with pytest.raises(UserError, match="process .* of this machine"):
        tiny_run.begin(url, tmp_path / "b")
    monkeypatch.setattr(processes, "machine_id", lambda: "another machine")
    monkeypatch.setattr(watch, "PERIODS", Periods(watch=0.3, poll=0.05))
    tiny_run.abandon(run)
    other = tiny_run.begin(url, tmp_path / "b")
    assert other.state.leg == 2
    other.callback.__exit__()

    (tmp_path / "metrics.csv").write_text("epoch")
    finished_run.save(
        url, tmp_path, identity={"seed": 0}, leg=2, check=lambda: None
    )
    assert finished_run.restore_finished(
        url, tmp_path / "c", identity={"seed": 0}
    )
    assert (tmp_path / "c" / "metrics.csv").read_text() == "epoch"


def test_a_manifest_is_written_once(bucket, tmp_path):
    """By a match of the generation, which one emulator does not know."""
    found = Generations(storage.open_folder(f"{bucket}/run"))
    generation = Generation(1, 1, 0)
    (tmp_path / "save.zip").write_bytes(b"archive")
    found.write(
        generation,
        tmp_path / "save.zip",
        epochs=0,
        first_leg=1,
        identity={},
    )
    (tmp_path / "other").write_bytes(b"another")
    try:
        found.folder.upload(tmp_path / "other", generation.archive)
    except FileExistsError:
        assert found.folder.read_bytes(generation.archive) == b"archive"
        return
    # Overwritten, but never believed: the manifest tells.
    with pytest.raises(ValueError, match="sha256"):
        found.fetch(found.newest_first()[0], tmp_path / "out")
