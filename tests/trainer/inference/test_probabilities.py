"""Tests for trainer/inference/probabilities.py: damaged and other parts."""

import numpy as np
import pytest

from storage import UserError
from trainer.inference.probabilities import Parts

CLASSES = {"root": ["ক", "খ"], "vowel": ["a", "b", "c"]}
IDS = ["Test_0", "Test_1"]
VALUES = {
    "root": np.array([[0.25, 0.75], [1.0, 0.0]], np.float32),
    "vowel": np.arange(6, dtype=np.float32).reshape(2, 3),
}
MADE_BY = {
    "models": ["0123"],
    "tta": 1,
    "keras": "3.13.2",
    "device": "Tesla T4",
}


def make(folder, **changes) -> Parts:
    return Parts(folder, classes=CLASSES, made_by=MADE_BY | changes)


@pytest.fixture
def parts(tmp_path):
    """Parts of which that of a.parquet, of the digest "d", is written."""
    made = make(tmp_path)
    made.write("a.parquet", "d", IDS, VALUES)
    return made


@pytest.fixture
def path(parts):
    (path,) = parts.folder.iterdir()
    return path


def is_right(parts) -> bool:
    ids, values = parts.read("a.parquet")
    return ids == IDS and all(
        np.array_equal(values[name], VALUES[name]) for name in CLASSES
    )


def damages(whole: bytes):
    """Yields each bit flipped, and what a torn or mixed-up write may leave."""
    for bit in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)
    for length in range(0, len(whole), 97):
        yield whole[:length]
        yield whole[:length] + bytes(len(whole) - length)
        yield whole[length:] + whole[:length]
    yield whole + b"\0"


def test_a_damaged_part_is_never_used(parts, path, caplog):
    whole = path.read_bytes()
    used = []
    for number, damaged in enumerate(damages(whole)):
        if damaged != whole:
            path.write_bytes(damaged)
            if parts.has("a.parquet", "d"):
                used.append(number)
    assert used == []
    assert f"{path} is damaged: made again" in caplog.messages[0]
    path.write_bytes(whole)
    assert parts.has("a.parquet", "d")
    assert is_right(parts)


def test_a_part_that_is_damaged_after_the_check_is_one_line(parts, path):
    assert parts.has("a.parquet", "d")
    flipped = bytearray(path.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    path.write_bytes(flipped)
    for read in (
        lambda: parts.read("a.parquet"),
        lambda: parts.join(parts.folder / "all.parquet", ["a.parquet"]),
    ):
        with pytest.raises(UserError, match="is damaged: run the command aga"):
            read()
    assert not (parts.folder / "all.parquet").exists()


def test_a_part_of_an_earlier_version_is_made_anew(parts, path, caplog):
    """They were Parquet alone."""
    path.write_bytes(path.read_bytes().partition(b"\n")[2])
    assert not parts.has("a.parquet", "d")
    assert "made again" in caplog.text


@pytest.mark.parametrize(
    ("changes", "digest", "what"),
    [
        ({"keras": "3.15.1"}, "d", "keras (3.13.2, now 3.15.1)"),
        (
            {"device": "CPU", "tta": 4},
            "d",
            "device (Tesla T4, now CPU), tta (1, now 4)",
        ),
        ({"numpy": "2.1.3"}, "d", "numpy (None, now 2.1.3)"),
        ({"models": ["4567"]}, "d", "models"),
        ({}, "e", "source"),
    ],
)
def test_a_part_made_otherwise_is_made_anew(
    parts, path, caplog, changes, digest, what
):
    assert not make(parts.folder, **changes).has("a.parquet", digest)
    assert caplog.messages == [f"{path} differs in its {what}: made again"]


def test_another_part_under_this_name_is_not_used(parts, path):
    """A file that is whole, but of other images."""
    parts.write("b.parquet", "e", IDS, VALUES)
    (parts.folder / "b.parquet.probabilities").rename(path)
    assert not parts.has("a.parquet", "d")
