"""Graphemes beyond the competition's: spelling, rules, choices."""

import json

import pytest

from sample_data import combinations, graphemes
from storage import UserError

CLASSES = combinations.read_classes()
TABLE = graphemes.read_graphemes()
# A second mark that has no class, and a joiner that one spelling lacks.
SPELT_OTHERWISE = {"র্ত্রী", "র্ত্রে", "র্দ্র", "র্যো"}


def labels_of(root, vowel=0, mark=0):
    return CLASSES[0].index(root), vowel, mark


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (labels_of("ক"), "ক"),
        (labels_of("ক", 2), "কি"),
        (labels_of("ক", 1, 1), "কাঁ"),
        (labels_of("ক", 0, 2), "র্ক"),
        (labels_of("ক", 7, 3), "র্ক্যে"),
        (labels_of("ক্ট", 9, 4), "ক্ট্যো"),
        (labels_of("ত", 3, 5), "ত্রী"),
        (labels_of("ট", 1, 6), "ট্র্যা"),
        (labels_of("র", 1, 4), "র\u200d্যা"),
        (labels_of("অ", 1, 4), "অ্যা"),
    ],
)
def test_spelling(labels, text):
    assert combinations.can_be_written(labels, CLASSES)
    assert combinations.spell(labels, CLASSES) == text


@pytest.mark.parametrize(
    "labels",
    [
        labels_of("ং", 1),
        labels_of("ৎ", 0, 1),
        labels_of("আ", 2),
        labels_of("ই", 0, 4),
        labels_of("র", 0, 2),
        labels_of("র", 0, 5),
        labels_of("য", 0, 5),
    ],
)
def test_what_cannot_be_written(labels):
    assert not combinations.can_be_written(labels, CLASSES)


def test_the_rules_give_what_was_written():
    for grapheme in TABLE:
        assert combinations.can_be_written(grapheme.labels, CLASSES)
        if grapheme.text not in SPELT_OTHERWISE:
            assert combinations.spell(grapheme.labels, CLASSES) == grapheme.text


def test_all_holds_each_combination_once():
    chosen = combinations.choose("all", TABLE)
    labels = [grapheme.labels for grapheme in chosen]
    assert len(labels) == len(set(labels)) == len({g.text for g in chosen})
    assert {g.labels for g in TABLE} < set(labels)
    assert {g.count for g in chosen} == {1}
    assert len(chosen) == 11_686


def test_rare_has_a_class_of_few_images():
    roots, vowels, marks = combinations.rare_classes(TABLE)
    assert (vowels, marks) == ({6, 8, 10}, {3, 6})
    assert CLASSES[0].index("ঃ") in roots
    assert CLASSES[0].index("ক") not in roots
    for grapheme in combinations.choose("rare", TABLE):
        root, vowel, mark = grapheme.labels
        assert root in roots or vowel in vowels or mark in marks


def test_unseen_is_what_the_folds_lack(tmp_path):
    everything = combinations.choose("all", TABLE)
    rows = [
        {"text": g.text, "labels": g.labels, "count": 1, "split": split}
        for g, split in zip(everything, ["folds", "unseen"], strict=False)
    ]
    info = {"graphemes": rows}
    (tmp_path / "dataset_info.json").write_text(json.dumps(info))
    chosen = combinations.choose(f"unseen-of:{tmp_path}", TABLE)
    assert chosen == everything[1:]


def test_the_default_is_the_competitions():
    assert combinations.choose("train", TABLE) == TABLE


@pytest.mark.parametrize("kind", ["some", "unseen-of", "all:x"])
def test_an_unknown_choice_is_one_line(kind):
    with pytest.raises(UserError, match="expected train, all, rare"):
        combinations.choose(kind, TABLE)
    with pytest.raises(UserError, match=r"no dataset_info\.json"):
        combinations.choose("unseen-of:/nowhere", TABLE)
