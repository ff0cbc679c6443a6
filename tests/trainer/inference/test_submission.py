"""Tests for trainer/inference/submission.py: rows, order and refusals."""

import types

import numpy as np
import pytest

import storage
from storage import UserError
from trainer.inference import submission
from trainer.inference.submission import Predictions, Row

OUTPUTS = ("root", "vowel", "big_root")


def predictions() -> Predictions:
    made = Predictions(OUTPUTS)
    for ids, first in ((["b", "a"], 0), (["c"], 2)):
        count = np.arange(first, first + len(ids))
        made.add(
            ids, {"root": count, "vowel": count + 10, "big_root": count + 20}
        )
    return made


def test_rows_without_an_order_keep_the_images_and_sort_the_outputs():
    assert list(predictions().rows(None)) == [
        ("b_big_root", 20),
        ("b_root", 0),
        ("b_vowel", 10),
        ("a_big_root", 21),
        ("a_root", 1),
        ("a_vowel", 11),
        ("c_big_root", 22),
        ("c_root", 2),
        ("c_vowel", 12),
    ]


def test_rows_follow_the_order_given():
    order = [("c", "vowel"), ("b", "root"), ("c", "big_root")]
    assert list(predictions().rows(order)) == [
        ("c_vowel", 12),
        ("b_root", 0),
        ("c_big_root", 22),
    ]


def test_doubled_id_is_refused_across_and_within_blocks():
    with pytest.raises(UserError, match="'a' more than once"):
        predictions().add(["d", "a"], {})
    with pytest.raises(UserError, match="'d' more than once"):
        predictions().add(["d", "d"], {})
    with pytest.raises(UserError, match="'x' more than once"):
        submission.check_ids(["x", "y", "x"])
    assert submission.check_ids(["x", "y"]) == {"x", "y"}


def parse(text: str) -> list[Row]:
    return submission.parse_order(text.encode(), outputs=OUTPUTS, where="s.csv")


def test_order_is_read_and_the_longer_output_wins():
    assert parse("\ufeffrow_id,target\nT_0_vowel,0\nT_0_big_root,0\n\n") == [
        ("T_0", "vowel"),
        ("T_0", "big_root"),
    ]
    assert parse("target,row_id\r\n0,T_root\r\n") == [("T", "root")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"s.csv: expected the columns row_id,target, got \[\]"),
        ("id,target\n", r"got \['id', 'target'\]"),
        ("row_id,target\nT_0_tone,0\n", r"row 2: 'T_0_tone' does not end in"),
        ("row_id,target\nT_root,0\nT_root,0\n", "row 3: 'T_root' occurs twi"),
    ],
)
def test_bad_order_is_refused(text, message):
    with pytest.raises(UserError, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ({"a"}, r"s.csv asks for 1 image_id\(s\) \('b'\) that the parquet"),
        ({"a", "b", "c"}, r"files hold 1 image_id\(s\) \('c'\) that s.csv"),
        ({"a", "b"}, r"s.csv lacks 1 row\(s\), the first 'b_vowel'"),
    ],
)
def test_order_must_match_the_images(ids, message):
    order = [("a", "root"), ("a", "vowel"), ("b", "root")]
    with pytest.raises(UserError, match=message):
        submission.check_order(
            order, ids, outputs=("root", "vowel"), where="s.csv"
        )


def test_whole_order_is_accepted():
    submission.check_order(
        [("b", "root"), ("a", "root")],
        {"a", "b"},
        outputs=("root",),
        where="s.csv",
    )


def test_order_is_read_beside_the_parquet_files(tmp_path):
    source = types.SimpleNamespace(
        url=str(tmp_path),
        folder=storage.open_folder(tmp_path),
        files=[types.SimpleNamespace(name="t_0.parquet")],
    )

    def read(*image_ids: str):
        return submission.read_order(source, image_ids, ["root"])

    assert read("a", "b") is None
    with pytest.raises(UserError, match=r"t_0.parquet, …\) have no row"):
        read()
    with pytest.raises(UserError, match="'a' more than once"):
        read("a", "a")
    (tmp_path / "sample_submission.csv").write_text("row_id\nb_root\na_root\n")
    assert read("a", "b") == [
        ("b", "root"),
        ("a", "root"),
    ]
    with pytest.raises(UserError, match="sample_submission.csv asks for 1 im"):
        read("a")


def test_a_write_is_complete_or_missing(tmp_path):
    path = tmp_path / "submission.csv"
    assert submission.write(path, [("a_root", 3), ("b_root", 0)]) == 2
    assert path.read_bytes() == b"row_id,target\na_root,3\nb_root,0\n"

    def failing():
        yield "a_root", 1
        raise UserError("stop")

    with pytest.raises(UserError, match="stop"):
        submission.write(path, failing())
    assert path.read_bytes() == b"row_id,target\na_root,3\nb_root,0\n"
    assert [p.name for p in tmp_path.iterdir()] == ["submission.csv"]
