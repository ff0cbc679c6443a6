"""The permutation of an epoch: golden values, coverage, resumes."""

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import UserError
from trainer.stream import order
from trainer.stream.order import Order


def permutation(key, size):
    return order.window_permutation(
        tf.constant(key, tf.uint64), tf.constant(size)
    ).numpy()


def reference_permutation(key, size):
    """The order in plain integers, as the documentation states it."""
    mask = (1 << 64) - 1
    hashes = [
        order.mix64((key + order.GOLDEN * (i + 1)) & mask) for i in range(size)
    ]
    return sorted(range(size), key=lambda i: (hashes[i], i))


def positions(plan):
    """Every (epoch, shards, position within the window) of a plan, in order."""
    return [
        (w.epoch, w.shards, w.key, w.skip + i)
        for w in plan
        for i in range(w.take)
    ]


def test_hash_is_splitmix64():
    # The first outputs of splitmix64 seeded with 0 (its reference code).
    mask = (1 << 64) - 1
    outputs = [order.mix64(order.GOLDEN * i & mask) for i in (1, 2, 3)]
    assert outputs == [
        0xE220A8397B1DCDAF,
        0x6E789E6AA1B965F4,
        0x06C45D188009454F,
    ]


def test_golden_order():
    """A change here changes what every run so far has seen at each step."""
    stream_order = Order([5, 4, 3], batch_size=2, shards_per_window=2, seed=7)
    orders = [stream_order.shard_order(epoch) for epoch in range(3)]
    assert orders == [(1, 0, 2), (0, 2, 1), (1, 0, 2)]
    key = stream_order.windows(0)[0].key
    assert key == 8655894791565660796
    assert permutation(key, 9).tolist() == [2, 5, 3, 1, 0, 7, 6, 8, 4]


@pytest.mark.parametrize("size", [1, 2, 9, 1000])
def test_permutation_is_the_written_one(size):
    key = 0xFEDCBA9876543210
    assert permutation(key, size).tolist() == reference_permutation(key, size)


@settings(max_examples=60, deadline=None)
@given(
    shards=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    batch=st.integers(1, 7),
    window=st.integers(1, 6),
    seed=st.integers(0, 2**40),
    data=st.data(),
)
def test_any_start_goes_on_as_the_whole_run(shards, batch, window, seed, data):
    if sum(shards) < batch:
        return
    stream_order = Order(
        shards, batch_size=batch, shards_per_window=window, seed=seed
    )
    last = 3 * stream_order.steps_per_epoch
    start = data.draw(st.integers(0, last - 1))
    whole = positions(stream_order.plan(0, last))
    assert len(whole) == last * batch
    assert positions(stream_order.plan(start, last)) == whole[start * batch :]
    for epoch in range(3):
        of_epoch = [p for p in whole if p[0] == epoch]
        assert len(set(of_epoch)) == stream_order.steps_per_epoch * batch
        shards_read = {s for _, shards_, *_ in of_epoch for s in shards_}
        assert shards_read <= set(range(len(shards)))


def test_leftover_differs_between_epochs():
    stream_order = Order([3] * 8, batch_size=16, shards_per_window=1, seed=0)
    read = [
        {(w.shards, w.take) for w in stream_order.windows(epoch)}
        for epoch in range(4)
    ]
    assert len(set(map(frozenset, read))) > 1


def test_fewer_records_than_a_batch_is_refused():
    with pytest.raises(UserError, match="hold 5 records.*batch of 6"):
        Order([2, 3], batch_size=6, shards_per_window=1, seed=0)
