"""Of the builders of two machines on one mount, one goes on."""

import dataclasses
import json
import shutil

import pytest
import tiny_data

from storage import UserError
from storage.ownership import processes, watch
from storage.ownership.watch import Periods
from tfrecord_builder.building.local_engine import LocalEngine

RECIPE = tiny_data.RECIPE
OTHER = dataclasses.replace(RECIPE, seed=1)


@pytest.fixture(autouse=True)
def _short_watch(monkeypatch):
    monkeypatch.setattr(watch, "PERIODS", Periods(watch=0.3, poll=0.01))


@pytest.fixture
def build(tiny_source, tmp_path):
    """Builds into a folder as if that were a mount."""

    def build(recipe=RECIPE, *, folder="spool", **options):
        tiny_data.build(
            str(tiny_source),
            str(tmp_path / "out"),
            recipe,
            spool="always",
            spool_dir=str(tmp_path / folder),
            **options,
        )
        return names(tmp_path / "out")

    return build


def names(folder):
    return sorted(path.name for path in folder.iterdir())


FINISHED = [
    "build_log.json",
    "dataset_info.json",
    *(f"fold{k}-0000{n}-of-00002.tfrecord" for k in range(3) for n in (0, 1)),
]


def stop(*args):
    raise RuntimeError("stop")


def leave_beat(tmp_path, **changed):
    """Leaves the lease of another machine's builder."""
    folder = tmp_path / "out" / "lease"
    folder.mkdir(parents=True, exist_ok=True)
    beat = {"machine": "other", "pid": 1, "start": "1", "leg": 1, "beat": 3}
    beat |= {"released": False, "extra": {"build": "x"}}
    (folder / "beat-03.json").write_text(json.dumps(beat | changed))


def test_a_finished_build_leaves_no_lease(build, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "building.json").write_text("{}")  # An older version's.
    (tmp_path / "out" / ".building.json.3f9a21bc.tmp").write_text("{")
    assert build() == FINISHED


def test_one_killed_after_its_last_step_is_cleaned_up(build, tmp_path):
    build()
    (tmp_path / "out" / "building.json").write_text("{}")
    leave_beat(tmp_path)
    assert build() == FINISHED


def test_an_unfinished_build_of_other_flags_is_refused(
    build, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(LocalEngine, "write_shards", stop)
        with pytest.raises(RuntimeError, match="stop"):
            build()
    assert names(tmp_path / "out") == ["lease"]
    # On another machine, with another spool.
    with pytest.raises(UserError, match="unfinished build with other flags"):
        build(OTHER, folder="other")
    assert build(folder="other") == FINISHED


def test_overwrite_throws_it_away(build, tmp_path):
    leave_beat(tmp_path, released=True)
    with pytest.raises(UserError, match="unfinished build with other flags"):
        build()
    assert build(overwrite=True) == FINISHED


def test_a_dead_process_of_this_machine_is_replaced_at_once(
    build, tmp_path, monkeypatch
):
    monkeypatch.setattr(watch, "PERIODS", Periods(watch=1e9))
    leave_beat(tmp_path, machine=processes.machine_id())
    assert build(overwrite=True) == FINISHED


def test_a_builder_at_work_is_refused(build, tmp_path, monkeypatch):
    leave_beat(tmp_path)
    monkeypatch.setattr(
        watch.time, "sleep", lambda seconds: leave_beat(tmp_path, beat=4)
    )
    with pytest.raises(UserError, match=r"a builder on another machine.*--out"):
        build(overwrite=True)
    assert names(tmp_path / "out") == ["lease"]


def test_who_lost_the_output_does_not_touch_it(build, tmp_path, monkeypatch):
    write_shards = LocalEngine.write_shards

    def lose(*args):
        leave_beat(tmp_path, leg=2)
        return write_shards(*args)

    monkeypatch.setattr(LocalEngine, "write_shards", lose)
    with pytest.raises(UserError, match="taken over by process 1 on other"):
        build()
    assert names(tmp_path / "out") == ["lease"]


def test_who_lost_it_to_one_that_has_ended_does_not_touch_it(
    build, tmp_path, monkeypatch
):
    write_shards = LocalEngine.write_shards

    def lose(*args):
        shutil.rmtree(tmp_path / "out" / "lease")  # As a finished build does.
        return write_shards(*args)

    monkeypatch.setattr(LocalEngine, "write_shards", lose)
    with pytest.raises(UserError, match="another builder, which has ended"):
        build()
    assert names(tmp_path / "out") == []
