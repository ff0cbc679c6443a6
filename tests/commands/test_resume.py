"""The loop and its backup: stopped, killed, gone back, and yet the same.

In this process, on a tiny net. tests/commands/test_storm.py kills the real
command.
"""

import dataclasses

import numpy as np
import pytest
import small_memory
import tensorflow as tf
import tiny_run
import tiny_training

from tfrecord_builder.records import dataset_info
from trainer.backup.backup_and_restore import BackupAndRestore
from trainer.backup.backup_folder import BackupFolder
from trainer.evaluation.epoch_evaluation import EpochEvaluation
from trainer.evaluation.split_predictor import SplitPredictor
from trainer.models import preprocessing
from trainer.runtime.devices import Devices
from trainer.runtime.limits import Limits
from trainer.runtime.profiler import Profiler
from trainer.stream.input_pipeline import TrainStream
from trainer.training import dry_run
from trainer.training.bad_steps import BadStepError
from trainer.training.loop import TrainingLoop

# With batch normalisation; the default here is a net that compiles sooner.
SMALL = {"backbone": "small"}
EPOCHS = 3
STEPS = 5  # An epoch: 40 images, 8 a step.


@pytest.fixture(autouse=True)
def _starts(monkeypatch):
    tiny_run.each_start_is_a_process(monkeypatch)


_POISON = 7  # An image of this alone stands for one that gives no number.


@dataclasses.dataclass(frozen=True)
class PoisonedStream(TrainStream):
    """Has images that give no finite loss at some steps."""

    steps: tuple[int, ...] = ()

    def dataset(self, first_step, last_step, *, with_keys=False, **options):
        batches = super().dataset(
            first_step, last_step, with_keys=with_keys, **options
        )

        def poison(index, features):
            bad = tf.reduce_any(first_step + index == list(self.steps))
            image = features["image"]
            poisoned = tf.ones_like(image) * _POISON
            return features | {"image": tf.where(bad, poisoned, image)}

        return batches.enumerate().map(poison) if self.steps else batches


@dataclasses.dataclass(frozen=True)
class Preprocessing(preprocessing.Preprocessing):
    """Gives no number for poison."""

    def __call__(self, images):
        bad = tf.reduce_all(images == _POISON, axis=[1, 2, 3], keepdims=True)
        return tf.where(bad, np.float32(np.nan), super().__call__(images))


class Stops(Limits):
    """Asks to stop when a function says so."""

    def __init__(self, when):
        super().__init__(max_minutes=0)
        self.when = when

    def reached(self, *, reserve=0.0):
        del reserve
        return self.when()


class Kill(BaseException):
    """As a SIGKILL: nothing of the process goes on."""


class Leg:
    """A start of the command: everything new but the backup folder."""

    def __init__(self, records, backup_dir, **options):
        poisoned = options.pop("poisoned", ())
        rollback = options.pop("rollback", False)
        every_steps = options.pop("every_steps", 2)
        stop_when = options.pop("stop_when", lambda leg: False)
        tiny = tiny_training.make(
            records,
            backbone=options.pop("backbone", "tiny"),
            steps=EPOCHS * STEPS,
        )
        info = dataset_info.read(records)
        values = {
            f.name: getattr(tiny.stream, f.name)
            for f in dataclasses.fields(tiny.stream)
        }
        folder = BackupFolder(
            str(backup_dir),
            identity={"seed": 0},
            local_dir=backup_dir.with_name("staging"),
            settle_seconds=60.0,
        )
        self.state = tiny.state
        self.callback = BackupAndRestore(
            folder,
            state=tiny.state,
            chief=True,
            backup_every_seconds=0,
            backup_every_steps=every_steps,
            restart=False,
        )
        self.training = TrainingLoop(
            stream=PoisonedStream(**values, steps=tuple(poisoned)),
            step=dataclasses.replace(
                tiny.step, preprocess=Preprocessing(12, 16, crop=True)
            ),
            state=tiny.state,
            evaluation=EpochEvaluation(
                SplitPredictor(
                    tiny.step.strategy,
                    tiny.step.ema_core,
                    preprocess=preprocessing.Preprocessing(12, 16, crop=True),
                    info=info,
                    data_dir=str(records),
                    batch_size=8,
                ),
                splits={"validation": ("fold0",)},
                output_weights={o.name: 1.0 for o in info.outputs},
                epochs=EPOCHS,
                average_epochs=0,
            ),
            backup=self.callback,
            profiler=Profiler(
                profile_steps=[],
                state=tiny.state,
                folder=backup_dir / "profile",
            ),
            devices=Devices(tiny.step.strategy, "cpu", "float32", "a test"),
            limits=Stops(lambda: stop_when(self)),
            settings=options.pop("settings", {}),
            **{
                "epochs": EPOCHS,
                "early_stopping_epochs": 0,
                "num_parallel_calls": 0,
                "steps_per_loop": 0,
                "on_nan": "rollback" if rollback else "stop",
                **options,
            },
        )

    def run(self):
        """Returns whether it came to the end; survives a Kill."""
        try:
            return self.training.run([])
        except Kill:
            self.callback.wait()
            return False
        finally:
            tiny_run.abandon(self.callback)


def result(leg):
    """Returns all that must not depend on how the run came to its end."""
    state = leg.state
    best = {name: array.tobytes() for name, array in state.best.items()}
    return state.digest(), state.history, best, state.skipped_steps


@pytest.fixture(scope="module")
def calm(tiny_records, tmp_path_factory):
    """The result of a run that nothing happened to."""
    with pytest.MonkeyPatch.context() as patch:
        tiny_run.each_start_is_a_process(patch)
        backup_dir = tmp_path_factory.mktemp("calm") / "b"
        leg = Leg(tiny_records, backup_dir, **SMALL)
        assert leg.run()
    assert [row["step"] for row in leg.state.history] == [5, 10, 15]
    return result(leg)


@pytest.mark.long
@pytest.mark.lane
def test_stops_in_good_order_change_nothing(tiny_records, tmp_path, calm):
    """Nor do another loop length, other threads and another cadence."""
    backup_dir = tmp_path / "b"
    options = [
        {
            "steps_per_loop": 2,
            "num_parallel_calls": 1,
            "every_steps": 3,
            **SMALL,
        },
        {
            "steps_per_loop": 1,
            "num_parallel_calls": 4,
            "every_steps": 0,
            **SMALL,
        },
        {
            "steps_per_loop": 50,
            "num_parallel_calls": 2,
            "every_steps": 4,
            **SMALL,
        },
    ]
    first = Leg(
        tiny_records,
        backup_dir,
        stop_when=lambda leg: leg.state.step >= 3,
        **options[0],
    )
    assert not first.run()
    assert first.callback.is_saved
    # In the evaluation: the state saved is the one from before it.
    second = Leg(
        tiny_records,
        backup_dir,
        stop_when=lambda leg: leg.state.step == 10,
        **options[1],
    )
    assert not second.run()
    assert len(second.state.history) == 1
    third = Leg(tiny_records, backup_dir, **options[2])
    assert third.run()
    assert result(third) == calm
    legs = third.state.legs
    assert [(a["first_step"], a["last_step"]) for a in legs] == [
        (0, 3),
        (3, 10),
        (10, 15),
    ]
    # The first loop of a leg compiles: no rate is taken from it.
    assert [leg["images"] for leg in legs] == [8, 48, 24]
    assert all(leg["first_loop_seconds"] > 0 for leg in legs)


@pytest.mark.long
@pytest.mark.lane
def test_a_kill_between_update_and_count_changes_nothing(
    tiny_records, tmp_path, calm, monkeypatch
):
    """The variables may be ahead of the step then: no such state is saved."""
    backup_dir = tmp_path / "b"
    leg = Leg(tiny_records, backup_dir, steps_per_loop=2, **SMALL)
    take = TrainingLoop._take_steps

    def kill(self, loop, iterator, count):
        if self.state.step == 8:
            loop(iterator, tf.constant(8, tf.int64), tf.constant(1))
            raise Kill
        return take(self, loop, iterator, count)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingLoop, "_take_steps", kill)
        assert not leg.run()
    again = Leg(tiny_records, backup_dir, **SMALL)
    assert again.run()
    assert again.state.legs[1]["first_step"] in (6, 8)
    assert result(again) == calm


def test_an_error_saves_nothing(tiny_records, tmp_path, monkeypatch):
    leg = Leg(tiny_records, tmp_path / "b", every_steps=0)

    def fail(self, loop, iterator, count):
        loop(iterator, tf.constant(0, tf.int64), tf.constant(1))
        raise RuntimeError("a bug")

    monkeypatch.setattr(TrainingLoop, "_take_steps", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        leg.run()
    leg.callback.__exit__()
    assert not leg.callback.folder.heartbeat.is_alive
    assert leg.callback.saves == 0
    assert not list((tmp_path / "b").glob("*.zip"))


def test_a_bad_step_stops_before_it_changes_anything(tiny_records, tmp_path):
    backup_dir = tmp_path / "b"
    good = Leg(
        tiny_records,
        backup_dir,
        stop_when=lambda leg: leg.state.step >= 7,
        steps_per_loop=1,
    )
    assert not good.run()
    digest = good.state.digest()
    for _ in range(2):  # Again, after a resume.
        leg = Leg(tiny_records, backup_dir, poisoned=[7], steps_per_loop=5)
        with pytest.raises(BadStepError, match="step 7 cannot") as error:
            leg.run()
        assert leg.state.step == 7
        assert leg.state.digest() == digest
        (bad,) = leg.state.bad_steps
        assert bad["step"] == 7
        assert not bad["passed_over"]
        ids = bad["image_ids"]
        assert len(set(ids)) == 8
        assert all(image_id in str(error.value) for image_id in ids)
    batch = next(
        leg.training.stream.dataset(7, 8, with_keys=True).as_numpy_iterator()
    )
    assert ids == [image_id.decode() for image_id in batch["image_id"]]


def test_a_great_loss_counts_as_bad(tiny_records, tmp_path):
    leg = Leg(tiny_records, tmp_path / "b")
    leg.training.step = dataclasses.replace(leg.training.step, max_loss=1e-3)
    digest = leg.state.digest()
    with pytest.raises(BadStepError, match="step 0 cannot be taken"):
        leg.run()
    assert leg.state.digest() == digest


@pytest.mark.long
@pytest.mark.lane
def test_rollback_passes_over_the_batch_however_often_killed(
    tiny_records, tmp_path, caplog
):
    poisoned = {"poisoned": [3, 7], "rollback": True}
    calm = Leg(tiny_records, tmp_path / "calm" / "b", **poisoned)
    assert calm.run()
    assert calm.state.skipped_steps == [3, 7]
    assert "Went back to the backup at step 6 from step 7" in caplog.text
    assert int(calm.state.variables["optimizer/0000.iteration"].numpy()) == 13
    stormy = tmp_path / "stormy" / "b"
    first = Leg(
        tiny_records,
        stormy,
        stop_when=lambda leg: leg.state.step >= 8,
        every_steps=3,
        **poisoned,
    )
    assert not first.run()
    second = Leg(tiny_records, stormy, **poisoned)
    assert second.run()
    assert result(second) == result(calm)
    kept = [(b["step"], b["passed_over"]) for b in second.state.bad_steps]
    assert kept == [(3, True), (7, True)]
    losses = [row["loss"] for row in second.state.history]
    assert np.isfinite(losses).all()


@pytest.mark.long
@pytest.mark.lane
def test_rollback_gives_up_when_too_many_steps_are_bad(tiny_records, tmp_path):
    leg = Leg(tiny_records, tmp_path / "b", poisoned=range(15), rollback=True)
    with pytest.raises(BadStepError, match="more than 10 steps"):
        leg.run()


def test_early_stopping_is_part_of_the_history(tiny_records, tmp_path):
    """Away from the minimum, the second epoch is no better than the first."""
    backup_dir = tmp_path / "b"
    leg = Leg(tiny_records, backup_dir, early_stopping_epochs=1)
    leg.training.evaluation.splits = {}
    leg.training.step = dataclasses.replace(
        leg.training.step, schedule=lambda step: -1e-2
    )
    assert leg.run()
    assert len(leg.state.history) == 2
    again = Leg(tiny_records, backup_dir, early_stopping_epochs=1)
    assert again.run()  # Without a step.
    assert len(again.state.history) == 2
    assert again.callback.saves == 0


def test_parts_of_a_batch_give_its_gradients(tiny_records):
    """On a net without batch normalisation and dropout."""
    results = []
    for count in (1, 4):
        tiny = tiny_training.make(tiny_records, backbone="tiny", dropout=0.0)
        tiny.step = dataclasses.replace(tiny.step, parts=count)
        losses, finite = tiny_training.take(tiny, [1, 4])
        assert all(finite)
        results.append((losses, tiny.state.arrays()))
    np.testing.assert_allclose(results[1][0], results[0][0], atol=1e-5)
    for name, array in results[0][1].items():
        np.testing.assert_allclose(
            results[1][1][name], array, atol=1e-4, err_msg=name
        )


def test_a_step_out_of_memory_is_taken_once_with_half_the_examples(
    tiny_records, tmp_path, caplog
):
    leg = Leg(tiny_records, tmp_path / "b", steps_per_loop=50)
    leg.training.step = small_memory.greedy(leg.training.step, most=4, at=7)
    assert leg.run()
    assert leg.state.current_leg["out_of_memory"] == [
        {"step": 7, "examples": 4}
    ]
    assert "step 7 with 8 examples at a time" in caplog.text
    assert [row[:2] for row in leg.state.trace] == [[k, 1] for k in range(15)]
    expected = tiny_training.make(
        tiny_records, backbone="tiny", steps=EPOCHS * STEPS
    )
    losses = tiny_training.take(expected, [7])[0]
    expected.step = dataclasses.replace(expected.step, parts=2)
    losses += tiny_training.take(expected, [8], first_step=7)[0]
    expected.state.step = 15
    assert [row[2] for row in leg.state.trace] == losses
    assert leg.state.digest() == expected.state.digest()


def test_a_dry_run_out_of_memory_goes_on_with_half(
    tiny_records, tmp_path, caplog, capsys
):
    leg = Leg(tiny_records, tmp_path / "b")
    leg.training.step = small_memory.greedy(leg.training.step, most=4, at=0)
    dry_run.show(leg.training, presets=[], changed_flags=[])
    assert "step 0 with 8 examples at a time" in caplog.text
    assert "dry run: nothing was written" in capsys.readouterr().out
    assert not (tmp_path / "b").exists()


def test_a_step_too_large_for_memory_ends_the_leg(tiny_records, tmp_path):
    leg = Leg(tiny_records, tmp_path / "b")
    leg.training.step = small_memory.greedy(
        dataclasses.replace(leg.training.step, parts=4), most=1, at=7
    )
    with pytest.raises(BadStepError, match="one group of --mix_group=2"):
        leg.run()
    assert leg.callback.is_saved
    assert leg.state.step == 7
    assert Leg(tiny_records, tmp_path / "b").run()
