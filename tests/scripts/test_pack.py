"""scripts/pack.py: the tracked files, the same bytes each time."""

import os
import subprocess
import zipfile

import pytest
from session import project_zip

from storage import UserError


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
