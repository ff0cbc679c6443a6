"""Folds are even, whole graphemes are held out, and ids alone decide."""

import collections

import numpy as np
import pyarrow as pa
import pytest
import tiny_data
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import UserError
from tfrecord_builder.planning import folds, image_ids


def test_the_hash_is_part_of_the_format():
    """Another value would be another dataset: never change these."""
    assert folds.text_hash(0, "Train_0") == 14799370596872668651
    assert folds.text_hash(1, "Train_0") == 2799608217876570899
    assert folds.text_hash(2**63 - 1, "ক্ট্রো") == 5343863890473112438
    assert folds.text_hashes(0, ["Train_0"]).dtype == np.uint64


def deal(labels, graphemes=None, ids=None, seed=0, **options):
    """Deals images of these labels, called i0, i1 and so on."""
    rows = [tuple(row) for row in np.array(labels).tolist()]
    images = list(zip(rows, graphemes or map(str, rows), strict=True))
    distinct = sorted(set(images))
    ids = pa.array(
        ids or [f"i{k}" for k in range(len(rows))], pa.large_string()
    )
    return folds.deal(
        image_ids.sort(ids, seed).order,
        np.array([distinct.index(image) for image in images]),
        np.array([row for row, _ in distinct]),
        [text for _, text in distinct],
        seed=seed,
        **options,
    )


def test_one_pack_of_cards():
    """7 images of one grapheme and 5 of another in 3 folds of 4."""
    splits = deal([[0]] * 7 + [[1]] * 5, num_folds=3)
    assert collections.Counter(splits.tolist()) == {0: 4, 1: 4, 2: 4}
    first = collections.Counter(splits[:7].tolist())
    assert first == {0: 3, 1: 2, 2: 2}


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 2)), min_size=6, max_size=60
    ),
    st.integers(1, 6),
    st.integers(0, 3),
)
def test_folds_differ_by_one_image_at_most(labels, num_folds, seed):
    """So do a grapheme's and a first label's shares of them."""
    splits = deal(labels, num_folds=num_folds, seed=seed)
    labels = np.array(labels)
    groups = [np.ones(len(labels), bool)]
    groups += [labels[:, 0] == k for k in range(5)]
    groups += [(labels == row).all(axis=1) for row in labels]
    for group in groups:
        counts = np.bincount(splits[group], minlength=num_folds)
        assert counts.max() - counts.min() <= 1


@settings(deadline=None, max_examples=50)
@given(st.permutations(range(20)))
def test_the_order_of_the_rows_decides_nothing(order):
    labels = tiny_data.draw_labels(20)
    ids = [f"i{k}" for k in range(20)]
    texts = [str(row) for row in labels.tolist()]
    options = {"seed": 3, "num_folds": 3, "unseen_fraction": 0.2}
    plain = deal(labels, texts, ids, **options)
    shuffled = deal(
        labels[list(order)],
        [texts[i] for i in order],
        [ids[i] for i in order],
        **options,
    )
    assert shuffled.tolist() == plain[list(order)].tolist()


def test_seed_matters():
    labels = [[0]] * 30
    assert deal(labels, num_folds=3).tolist() != (
        deal(labels, num_folds=3, seed=1).tolist()
    )


def test_unseen_holds_whole_graphemes():
    labels = tiny_data.draw_labels(400, outputs={"root": 8, "vowel": 4})
    graphemes = [str(tuple(row)) for row in labels.tolist()]
    splits = deal(labels, num_folds=4, unseen_fraction=0.25)
    seen = {g for g, s in zip(graphemes, splits, strict=True) if s < 4}
    unseen = {g for g, s in zip(graphemes, splits, strict=True) if s == 4}
    assert len(seen | unseen) == 32
    assert len(unseen) == 8
    assert not seen & unseen


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=4, max_size=80
    ),
    st.floats(0.01, 0.9),
)
def test_every_class_stays_in_the_folds(labels, fraction):
    try:
        splits = deal(labels, num_folds=2, unseen_fraction=fraction)
    except UserError:
        return
    labels = np.array(labels)
    for column in labels.T:
        assert set(column[splits < 2]) == set(column)


@pytest.mark.parametrize("seed", range(5))
def test_a_class_keeps_an_image_for_every_fold(seed):
    """Class 1 has 4 images, so neither of its two graphemes can go."""
    labels = [[c, k] for c in (0, 2) for k in (0, 1) for _ in range(20)]
    labels += [[1, k] for k in (0, 1) for _ in range(2)]
    splits = deal(labels, num_folds=4, unseen_fraction=0.1, seed=seed)
    assert np.sum(splits == 4) == 20
    assert np.sum((np.array(labels)[:, 0] == 1) & (splits < 4)) == 4


def test_two_spellings_of_the_same_labels_go_together():
    """Else the labels would be seen, though the text is not."""
    labels = [[0, 0], [0, 0], [1, 0], [0, 1], [1, 1], [1, 1]] * 10
    graphemes = ["a", "b", "c", "d", "e", "e"] * 10
    for seed in range(20):
        splits = deal(
            labels, graphemes, num_folds=2, unseen_fraction=0.4, seed=seed
        )
        assert len({splits[0] == 2, splits[1] == 2}) == 1


def test_nothing_can_be_held_out():
    with pytest.raises(UserError, match="none of the 3 graphemes can be held"):
        deal([[0], [1], [2]] * 5, num_folds=2, unseen_fraction=0.3)


def test_no_images_to_fill_the_folds():
    with pytest.raises(UserError, match="2 images cannot fill 3 folds"):
        deal([[0], [0]], num_folds=3)
