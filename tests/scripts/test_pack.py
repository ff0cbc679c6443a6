"""scripts/pack.py: the tracked files, the same bytes each time."""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest
from session import project_zip

from storage import UserError

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def repository(tmp_path):
    """A repository with three tracked files and one that is not."""
    root = tmp_path / "project"
    (root / "sub").mkdir(parents=True)
    for name in ("b.txt", "sub/a.sh", "gone.txt", "untracked.txt"):
        (root / name).write_text(f"{name}\n")
    (root / "sub/a.sh").chmod(0o700)
    tracked = ["b.txt", "sub/a.sh", "gone.txt"]
    for command in (["init", "-q"], ["add", *tracked]):
        subprocess.run(["git", *command], cwd=root, check=True)
    (root / "gone.txt").unlink()
    return root


def test_the_tracked_files_as_they_are(repository, tmp_path):
    (repository / "b.txt").write_text("changed\n")
    output = tmp_path / "out.zip"
    assert project_zip.pack(repository, output) == 2
    with zipfile.ZipFile(output) as archive:
        found = {e.filename: e for e in archive.infolist()}
        assert list(found) == ["b.txt", "sub/a.sh"]
        assert archive.read("b.txt") == b"changed\n"
    modes = [entry.external_attr >> 16 & 0o777 for entry in found.values()]
    assert modes == [0o644, 0o755]


def test_untracked_files_are_left_out(repository):
    output = repository / "bengali-trainer.zip"
    project_zip.pack(repository, output)
    (repository / ".gitignore").write_text("*.log\n")
    (repository / "run.log").touch()
    assert project_zip.list_left_out(repository, output) == [
        ".gitignore",
        "untracked.txt",
    ]


def test_the_command_names_three_files_that_are_left_out(repository, tmp_path):
    for name in ("scripts", "console", "flags", "storage"):
        shutil.copytree(ROOT / name, repository / name)
    shutil.copy(ROOT / ".gitignore", repository)
    for command in (["add", "."], ["rm", "-q", "--cached", "untracked.txt"]):
        subprocess.run(["git", *command], cwd=repository, check=True)
    command = [sys.executable, "scripts/pack.py", "--output=packed.zip"]

    def pack():
        done = subprocess.run(
            command,
            cwd=repository,
            env=os.environ | {"PYTHONPATH": ""},
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout.splitlines()[1:]

    assert pack() == [
        "left out because git does not track them: 1 file(s) (untracked.txt); "
        "to include one: git add FILE, then pack again"
    ]
    for name in ("a", "b", "z"):
        (repository / f"{name}.flags").touch()
    assert pack() == [
        "left out because git does not track them: 4 file(s) (a.flags, "
        "b.flags, untracked.txt, …); to include one: git add FILE, then pack "
        "again"
    ]


def test_the_same_bytes(repository, tmp_path):
    project_zip.pack(repository, tmp_path / "1.zip")
    os.utime(repository / "b.txt", (0, 0))
    (repository / "b.txt").chmod(0o600)
    project_zip.pack(repository, tmp_path / "2.zip")
    first, second = (tmp_path / f"{i}.zip" for i in (1, 2))
    assert first.read_bytes() == second.read_bytes()


def test_no_repository(tmp_path, monkeypatch):
    # The tests' folder may lie in a repository.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(UserError, match="is not a git repository"):
        project_zip.pack(tmp_path, tmp_path / "out.zip")
    assert list(tmp_path.iterdir()) == []
