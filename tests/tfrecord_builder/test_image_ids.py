"""Ids are ordered and found as by (hash, text), whatever hashes they share."""

import contextlib
from unittest import mock

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrecord_builder.planning import folds, image_ids
from tfrecord_builder.planning.image_ids import Ids

TEXTS = st.lists(st.text(st.sampled_from("aক😀"), max_size=2), max_size=30)
HASHES = st.sampled_from([1, 3, 2**64])  # As many as there can be.


@contextlib.contextmanager
def poor(hashes: int):
    """Makes the hash so poor that texts share it, and blocks small."""
    text_hashes = folds.text_hashes

    def poor_hashes(seed, texts):
        values = [value % hashes for value in text_hashes(seed, texts).tolist()]
        return np.array(values, np.uint64)

    with (
        mock.patch.object(folds, "text_hashes", poor_hashes),
        mock.patch.object(image_ids, "BLOCK", 4),
    ):
        yield


def sort(texts) -> Ids:
    return image_ids.sort(pa.array(texts, pa.large_string()), 5)


@settings(deadline=None)
@given(TEXTS, HASHES)
def test_order(texts, hashes):
    with poor(hashes):
        ids = sort(texts)
        keys = [(folds.text_hash(5, text), text) for text in texts]
    expected = sorted(range(len(texts)), key=lambda i: (*keys[i], i))
    assert ids.order.tolist() == expected
    assert ids.hashes.tolist() == [keys[i][0] for i in expected]


@settings(deadline=None)
@given(TEXTS, HASHES)
def test_doubled(texts, hashes):
    with poor(hashes):
        doubled = sort(texts).doubled()
    expected = {
        tuple(i for i, text in enumerate(texts) if text == wanted)
        for wanted in texts
        if texts.count(wanted) > 1
    }
    assert sorted(map(tuple, doubled)) == sorted(expected)


@settings(deadline=None)
@given(TEXTS.map(lambda texts: [*dict.fromkeys(texts)]), TEXTS, HASHES)
def test_find(table, texts, hashes):
    with poor(hashes):
        indices = sort(table).find(sort(texts))
    expected = [table.index(t) if t in table else -1 for t in texts]
    assert indices.tolist() == expected
