"""A workdir when a leg begins: nothing in it is of another run."""

from trainer.outputs.workdir import Workdir
from trainer.runtime.run_state import RunState


def test_a_killed_leg_leaves_nothing_of_the_run_that_finished_before(tmp_path):
    """From the moment that it trains, whatever happens to it."""
    for name in ("summary.json", "model.keras", "report.html", "mine.txt"):
        (tmp_path / name).write_text('{"finished": true}')
    workdir = Workdir(
        tmp_path,
        state=RunState({}, steps_per_epoch=2),
        evaluation=None,
        flagfile="",
        sheet=None,
    )
    assert (tmp_path / "summary.json").exists()
    workdir.on_train_begin()
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
