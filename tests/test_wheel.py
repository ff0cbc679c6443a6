"""The wheel holds every package and data file, and its commands start."""

import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import zipfile

import import_rules
import pytest

from console import version

pytestmark = pytest.mark.long

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGES = sorted(import_rules.PACKAGES)
COMMANDS = [
    import_rules.module_of(path)
    for path in import_rules.read_tree(ROOT)
    if import_rules.is_command(path)
]


def files_in_git() -> list[str]:
    """Returns the paths of the repository's files."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("no git repository to compare the wheel with")
    command = ["git", "-C", ROOT, "ls-files", "-z"]
    listed = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    paths = listed.stdout.decode().strip("\0").split("\0")
    return [path for path in paths if (ROOT / path).exists()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy: what an old build left cannot help it."""
    folder = tmp_path_factory.mktemp("wheel")
    for path in files_in_git():
        copy = folder / "source" / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, copy)
    pip("wheel", "--no-build-isolation", f"-w{folder}", folder / "source")
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def run(wheel, tmp_path_factory):
    """Runs Python where the project can only come from the wheel."""
    folder = tmp_path_factory.mktemp("installed")
    python = folder / "venv/bin/python"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", folder / "venv"],
        check=True,
    )
    pip(f"--python={python}", "install", wheel)
    (folder / "empty").mkdir()
    # The dependencies. A folder on PYTHONPATH has no .pth file read, which is
    # how an editable installation of the project is found.
    dependencies = sysconfig.get_path("purelib")

    def run_python(*arguments: str) -> str:
        return subprocess.run(
            [python, *arguments],
            cwd=folder / "empty",
            env=os.environ | {"PYTHONPATH": dependencies},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    return run_python


def pip(*arguments: str | os.PathLike) -> None:
    """Runs pip, which is to install nothing but the project."""
    options = ["--no-deps", "--no-index", "--disable-pip-version-check", "-q"]
    subprocess.run(
        [sys.executable, "-m", "pip", *arguments, *options], check=True
    )


def test_every_file_is_in_the_wheel(wheel):
    expected = {
        path
        for path in files_in_git()
        if path.partition("/")[0] in PACKAGES and not path.endswith(".md")
    }
    with zipfile.ZipFile(wheel) as archive:
        found = {
            name for name in archive.namelist() if ".dist-info/" not in name
        }
    assert expected == found
    suffixes = {pathlib.Path(path).suffix for path in found}
    data = {".css", ".csv", ".flags", ".html", ".jinja", ".npz", ".woff2"}
    assert suffixes >= {".py"} | data


def test_the_wheel_has_the_version(wheel):
    assert wheel.name.startswith(f"bengali_trainer-{version.VERSION}-")


def test_the_packages_come_from_the_wheel(run):
    found = run(
        "-c",
        f"import sys, {', '.join(PACKAGES)}\n"
        f"for name in {PACKAGES}:\n"
        "    print(sys.modules[name].__file__.startswith(sys.prefix))",
    )
    assert found.split() == ["True"] * len(PACKAGES)


@pytest.mark.parametrize("module", COMMANDS)
def test_a_command_starts(run, module):
    help_text = run("-m", module, "--helpshort")
    assert help_text.endswith("--help explains each of them.\n")
