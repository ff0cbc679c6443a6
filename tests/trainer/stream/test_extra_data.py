"""A second dataset in the training stream."""

import dataclasses

import numpy as np
import pytest

from storage import UserError
from tfrecord_builder.records import dataset_info
from trainer.models import heads
from trainer.stream import extra_data, input_pipeline, order
from trainer.stream.input_pipeline import TrainStream
from trainer.stream.order import Order

BATCH = 8
MORE = 2  # Examples of a batch from the second dataset, here fold0.


@pytest.fixture(scope="module")
def infos(tiny_records):
    """The tiny records cut in two: fold1 and fold2, and fold0."""
    info = dataset_info.read(tiny_records)

    def only(*names):
        splits = {name: info.splits[name] for name in names}
        return dataclasses.replace(info, splits=splits)

    return only("fold1", "fold2"), only("fold0")


@pytest.fixture(scope="module")
def streams(infos, tiny_records):
    """The stream with the second dataset in it, and each of the two."""
    first, second = infos
    shards = [s for split in first.splits.values() for s in split.shards]
    alone = TrainStream(
        info=first,
        paths=input_pipeline.shard_paths(
            first, str(tiny_records), tuple(first.splits)
        ),
        order=Order(
            [s.records for s in shards],
            batch_size=BATCH - MORE,
            shards_per_window=2,
            seed=3,
        ),
        draws=3,
    )
    more = extra_data.make_stream(
        second, str(tiny_records), batch_size=MORE, window_mb=1, seed=3
    )
    return dataclasses.replace(alone, extra=more), alone, more


def ids(stream, first, last, **options):
    batches = stream.dataset(first, last, with_keys=True, **options)
    return [b["image_id"].tolist() for b in batches.as_numpy_iterator()]


def test_examples_are_spread_evenly():
    assert order.spread(6, 2) == [0, 1, 2, 6, 3, 4, 5, 7]
    assert order.spread(3, 2) == [0, 1, 3, 2, 4]
    for main, more in ((103, 25), (1, 7), (9, 0)):
        indices = order.spread(main, more)
        assert sorted(indices) == list(range(main + more))
        assert [p for p in indices if p < main] == list(range(main))


def test_a_batch_is_made_of_both_streams(streams):
    both, alone, more = streams
    assert both.batch_size == BATCH
    steps = 2 * alone.order.steps_per_epoch
    mixed = ids(both, 0, steps)
    for batch, own, extras in zip(
        mixed, ids(alone, 0, steps), ids(more, 0, steps), strict=True
    ):
        assert batch == [*own[:3], extras[0], *own[3:], extras[1]]


def test_it_starts_at_any_step_for_any_number_of_replicas(streams):
    both = streams[0]
    whole = list(both.dataset(0, 9).as_numpy_iterator())
    for first in (1, 7):
        shares = list(both.dataset(first, 9, replicas=2).as_numpy_iterator())
        for step, batch in enumerate(whole[first:]):
            for name, value in batch.items():
                share = [s[name] for s in shares[2 * step : 2 * step + 2]]
                np.testing.assert_array_equal(np.concatenate(share), value)


def test_share_of_a_batch():
    assert extra_data.share(128, 0.2) == 26
    for fraction in (0.0, 0.001, 1.0):
        with pytest.raises(UserError, match="expected 1 to 127"):
            extra_data.share(128, fraction)


def test_another_dataset_is_refused(infos, tiny_records):
    first = infos[0]
    assert extra_data.read(str(tiny_records), like=first).splits.keys() == {
        "fold0",
        "fold1",
        "fold2",
    }
    output = dataclasses.replace(first.outputs[0], classes=("x",))
    other = dataclasses.replace(first, outputs=(output, *first.outputs[1:]))
    with pytest.raises(UserError, match="grapheme_root"):
        extra_data.read(str(tiny_records), like=other)
    image = dataclasses.replace(first.image, height=13)
    with pytest.raises(UserError, match="against \\(13, 16\\)"):
        extra_data.read(
            str(tiny_records), like=dataclasses.replace(first, image=image)
        )
    image = dataclasses.replace(first.image, background="dark")
    with pytest.raises(UserError, match="background .*light against dark"):
        extra_data.read(
            str(tiny_records), like=dataclasses.replace(first, image=image)
        )


def test_the_very_dataset_is_refused(tiny_records):
    info = dataset_info.read(tiny_records)
    with pytest.raises(UserError, match="the validation fold would be"):
        extra_data.read(str(tiny_records), like=info)


def test_the_grapheme_head_knows_both(infos):
    first = infos[0]
    labels = {g.labels for g in first.graphemes}
    rare = dataclasses.replace(
        first.graphemes[0], labels=(3, 2, 9), split="unseen"
    )
    more = dataclasses.replace(first, graphemes=(rare,))
    graphemes = heads.make_graphemes(first, more)
    assert set(graphemes.labels) == labels | {(3, 2, 9)}
