"""The version is written once; files that cannot read it name the same."""

import re
import tomllib

import commands
import pytest

from console import version


def test_the_wheel_takes_its_name_and_version_from_here():
    text = (commands.ROOT / "pyproject.toml").read_text("utf-8")
    settings = tomllib.loads(text)
    assert settings["project"]["name"] == version.NAME
    assert settings["project"]["dynamic"] == ["version"]
    assert settings["tool"]["setuptools"]["dynamic"]["version"] == {
        "attr": "console.version.VERSION"
    }


@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        ("CHANGELOG.md", r"^## \[(.+)\] - \d{4}-\d\d-\d\d$"),
        ("CITATION.cff", r"^version: (.+)$"),
    ],
)
def test_a_file_names_the_newest_version(file, pattern):
    text = (commands.ROOT / file).read_text("utf-8")
    assert re.search(pattern, text, re.MULTILINE)[1] == version.VERSION
