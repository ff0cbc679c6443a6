"""The requirements allow what the constraints pin, and what Colab ships."""

import pathlib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).resolve().parents[1]
ALL = sorted(path.name for path in ROOT.glob("requirements*.txt"))
TESTED = ["requirements-common.txt", "requirements.txt", "requirements-dev.txt"]
INSTALLED = {
    "constraints.txt": TESTED,
    "constraints-tf219.txt": TESTED,
    # Even an environment of its own upgrades nothing on a Colab machine.
    "constraints-colab.txt": ALL,
    "constraints-tpu.txt": ["requirements-common.txt", "requirements-tpu.txt"],
    "constraints-beam.txt": ["requirements-beam.txt"],
}


def read(name: str) -> list[Requirement]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]


def test_every_list_is_here():
    assert set(INSTALLED) == {p.name for p in ROOT.glob("constraints*.txt")}


@pytest.mark.parametrize("constraints", INSTALLED)
def test_ranges_hold_the_pinned_versions(constraints):
    pinned = {}
    for pin in read(constraints):
        (version,) = pin.specifier
        pinned[canonicalize_name(pin.name)] = version.version
    wrong = []
    for name in INSTALLED[constraints]:
        for requirement in read(name):
            version = pinned.get(canonicalize_name(requirement.name))
            if version and version not in requirement.specifier:
                wrong.append(f"{name}: {requirement}, but {version} is pinned")
    assert wrong == []


def test_colab_has_what_a_run_needs():
    pinned = {pin.name for pin in read("constraints-colab.txt")}
    for name in ("requirements-common.txt", "requirements.txt"):
        assert {requirement.name for requirement in read(name)} <= pinned
