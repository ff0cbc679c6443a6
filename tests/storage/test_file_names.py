"""Names that were read from a file do not lead out of their folder."""

import pytest

from storage import UserError, file_names

BAD = ["../x", "/tmp/x", "a/b", "..\\x", "a\0", "", ".", "..", None, 1, ["a"]]


@pytest.mark.parametrize("name", ["a", "a b (1).zip", "..a", "ক.json", "C:x"])
def test_a_file_s_name(name):
    assert file_names.check(name, "manifest.json") == name


@pytest.mark.parametrize(
    ("name", "original"),
    [
        ("a.zip", None),
        ("a (1).zip", "a.zip"),
        ("a (12).json", "a.json"),
        ("a (1) (2).json", "a (1).json"),
        ("a(1).zip", None),
        ("a (0).zip", None),
        ("a (2024).zip", None),
        ("a (1)", None),
        (" (1).zip", None),
        ("Copy of a.zip", None),
    ],
)
def test_a_name_that_drive_doubled(name, original):
    assert file_names.original(name) == original


@pytest.mark.parametrize("name", BAD, ids=repr)
def test_another_is_refused(name):
    with pytest.raises(UserError, match=r"^manifest.json: .* is not the name"):
        file_names.check(name, "manifest.json")
