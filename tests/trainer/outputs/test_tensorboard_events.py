"""What TensorBoard shows of a run, asked for over HTTP."""

import boards
import numpy as np
import pytest

from tfrecord_builder.records import dataset_info
from trainer.augmentation import augment
from trainer.augmentation.augment import Augmentation
from trainer.models.preprocessing import Preprocessing
from trainer.outputs import tensorboard_events
from trainer.outputs.contact_sheet import ContactSheet
from trainer.outputs.tensorboard_events import Events
from trainer.runtime.run_state import RunState
from trainer.stream import input_pipeline
from trainer.stream.input_pipeline import TrainStream
from trainer.stream.order import Order


def make_state(epochs):
    """A run of 4 steps an epoch, two rows each, resumed at step 4."""
    state = RunState({}, steps_per_epoch=4)
    state.legs = [{"leg": 1, "first_step": 0}, {"leg": 2, "first_step": 4}]
    for epoch in range(epochs):
        first = 4 * epoch
        state.trace += [[first, 2, 6.0, 0.5], [first + 2, 2, 4.0, 0.25]]
        state.step = first + 4
        row = {"epoch": epoch + 1, "step": state.step, "loss": 2.5}
        state.history.append(row | {"score": 0.1 * epoch, "recall_a": None})
        state.speed.append(
            {"epoch": epoch + 1, "leg": 1, "images_per_second": 99.0}
        )
    return state


JUDGED = {
    "validation": ({"a": np.array([0, 1])}, {"a": np.array([[1, 0], [1, 0]])})
}


def test_tensorboard_reads_the_events_of_a_resumed_run(tmp_path):
    def sheet(step):
        return np.full((8, 16), step, np.uint8)

    before = Events(tmp_path, sheet)
    before.show(make_state(1), JUDGED)
    # The next leg makes all of it again, and goes on.
    after = Events(tmp_path, sheet)
    state = make_state(1)
    after.show(state, {})
    state = make_state(2)
    state.step = 9
    state.trace.append([8, 1, 9.0, 0.1])  # Under way: not shown yet.
    after.show(state, JUDGED)
    after.show(state, JUDGED)
    with boards.open_board(tmp_path) as board:
        assert board.tags == {
            "step/loss",
            "step/learning_rate",
            "epoch/loss",
            "epoch/score",
            "speed/images_per_second",
            "augmented",
            "confusion/a",
        }
        assert board.scalars("step/loss") == [(2, 3), (4, 2), (6, 3), (8, 2)]
        assert board.scalars("step/learning_rate") == [
            *((2, 0.5), (4, 0.25), (6, 0.5), (8, 0.25)),
        ]
        assert board.scalars("epoch/loss") == [(4, 2.5), (8, 2.5)]
        assert board.scalars("speed/images_per_second") == [(4, 99), (8, 99)]
        first, second = board.images("augmented")
        ((last_epoch, confusion),) = board.images("confusion/a")
    assert (first[0], second[0], last_epoch) == (0, 4, 9)
    np.testing.assert_array_equal(first[1], sheet(0))
    np.testing.assert_array_equal(second[1], sheet(4))
    np.testing.assert_array_equal(
        confusion, tensorboard_events.draw_confusion(np.array([[1, 0], [1, 0]]))
    )


def test_a_confusion_matrix_is_dark_where_the_answers_are():
    picture = tensorboard_events.draw_confusion(np.array([[4, 0], [3, 1]]))
    side = len(picture) // 2
    assert picture.shape == (320, 320)
    assert picture[::side, ::side].tolist() == [[0, 255], [34, 128]]


@pytest.mark.parametrize("mix_group", [2, 5])
def test_a_contact_sheet_pairs_images_with_their_augmentation(
    tiny_records, mix_group
):
    info = dataset_info.read(tiny_records)
    stream = TrainStream(
        info=info,
        paths=input_pipeline.shard_paths(info, str(tiny_records), ("fold1",)),
        order=Order([20], batch_size=8, shards_per_window=1, seed=0),
        draws=augment.NUM_DRAWS,
    )
    preprocess = Preprocessing(12, 16)
    same, other = (
        ContactSheet(
            stream,
            preprocess,
            Augmentation(
                rotation=rotation,
                scale=0.0,
                shift=0.0,
                shear=0.0,
                cutmix=0.0,
                mix_group=mix_group,
            ),
        )
        for rotation in (0.0, 20.0)
    )
    plain = same(0)
    assert plain.shape == (4 * 16, 8 * 20)
    np.testing.assert_array_equal(plain[:16, :20], plain[:16, 20:40])
    turned = other(0)
    np.testing.assert_array_equal(turned[:16, :20], plain[:16, :20])
    assert (turned[:16, 20:40] != plain[:16, 20:40]).any()
    np.testing.assert_array_equal(other(0), turned)
    assert (other(1) != turned).any()
