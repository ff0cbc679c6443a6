"""Which part of a run's hours became steps, over kills."""

import pytest
import tiny_run

from trainer.runtime import useful_time


class Clock:
    """Says how old the process is."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def dirs(tmp_path, monkeypatch):
    tiny_run.each_start_is_a_process(monkeypatch)
    return tmp_path / "drive", tmp_path / "staging"


def begin(dirs, **options):
    run = tiny_run.begin(*dirs, **options)
    run.state.age = Clock()
    return run


def go_on(run, *, until, age):
    """Takes steps up to `until`, when the process is `age` seconds old."""
    run.state.age.seconds = age
    tiny_run.step(run, until - run.state.step)
    run.callback.on_train_batch_end(0)


def kill(run):
    """Its last beat shows how far it was."""
    run.folder.lease.renew()
    tiny_run.abandon(run)


def lost(run):
    return tuple(
        run.state.current_leg[name] for name in ("lost_seconds", "lost_steps")
    )


def test_what_a_killed_leg_did_after_its_backup_is_lost(dirs):
    run = begin(dirs)
    assert lost(run) == (0.0, 0)
    go_on(run, until=5, age=100.0)
    assert tiny_run.save(run)
    go_on(run, until=8, age=160.0)
    kill(run)
    again = begin(dirs)
    assert again.state.step == 5
    assert lost(again) == (60.0, 3)
    assert again.state.legs[0]["age"] == 100.0


def test_legs_that_saved_nothing_are_lost_with_what_they_did_again(dirs):
    run = begin(dirs)
    go_on(run, until=5, age=100.0)
    assert tiny_run.save(run)
    go_on(run, until=8, age=160.0)
    kill(run)
    second = begin(dirs)
    go_on(second, until=7, age=40.0)
    kill(second)
    third = begin(dirs)
    assert third.state.step == 5
    assert lost(third) == (60.0 + 40.0, 3 + 2)
    # What is noted in a backup is not counted again.
    go_on(third, until=9, age=50.0)
    assert tiny_run.save(third)
    go_on(third, until=10, age=70.0)
    kill(third)
    fourth = begin(dirs)
    assert lost(fourth) == (20.0, 1)
    time = useful_time.summarise(fourth.state.legs, [])
    assert time["steps_done_twice"] == 6
    assert time["seconds"]["lost at resets"] == 120.0


def test_a_leg_killed_before_any_backup_is_lost_whole(dirs):
    run = begin(dirs)
    go_on(run, until=4, age=30.0)
    kill(run)
    again = begin(dirs)
    assert again.state.step == 0
    assert lost(again) == (30.0, 4)


def test_a_run_that_starts_over_has_lost_nothing(dirs):
    run = begin(dirs)
    go_on(run, until=5, age=100.0)
    assert tiny_run.save(run)
    go_on(run, until=8, age=160.0)
    kill(run)
    assert lost(begin(dirs, restart=True)) == (0.0, 0)


@pytest.mark.parametrize("said", [None, "", "{", "[1]", '{"leg": 1}', "7"])
def test_no_start_fails_for_what_the_leg_before_said(dirs, said):
    state = begin(dirs).state
    assert useful_time.lost(said, state) == useful_time.Lost()


def test_seconds_by_what_they_went_to():
    leg = {
        "seconds": 100.0,
        "input_seconds": 25.0,
        "first_loop_seconds": 8.0,
        "seconds_to_first_loop": 20.0,
        "backup_seconds": 2.0,
        "age": 150.0,
        "lost_seconds": 40.0,
        "lost_steps": 7,
    }
    # One that only began, and one of an older version.
    began = dict.fromkeys(leg, None) | {"age": 10.0}
    old = {"seconds": 100.0, "images": 5}
    speed = [{"evaluation_seconds": 3.0}, {"evaluation_seconds": None}]
    time = useful_time.summarise([leg, began, old], speed)
    assert time == {
        "useful_share": 175.0 / 300.0,
        "seconds": {
            "steps": 175.0,
            "waiting for input": 25.0,
            "start": 12.0,
            "compilation and first steps": 8.0,
            "evaluation": 3.0,
            "backups": 2.0,
            "lost at resets": 40.0,
            "other": 35.0,
        },
        "steps_done_twice": 7,
    }


def test_a_run_without_a_step_has_no_share():
    assert useful_time.summarise([], [])["useful_share"] is None
