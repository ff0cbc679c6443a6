"""What the notebook's cells call: commands, downloads, an earlier version."""

import io
import os
import pathlib
import re
import zipfile

import kaggle_server
import pytest
from kagglesdk import kaggle_env
from session import competition, earlier, running


def test_a_quiet_command_shows_that_it_lives(tmp_path, capsys, monkeypatch):
    script = tmp_path / "quiet.py"
    script.write_text("import time; time.sleep(0.5); print('done')")
    monkeypatch.setattr(running, "QUIET_SECONDS", 0.1)
    running.run(script)
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == "done"
    assert len(lines) >= 2
    assert {re.sub(r"\d+", "0", line) for line in lines} == {
        f"… {re.sub(r'[0-9]+', '0', str(script))}: 0 s so far"
    }


def test_a_command_that_shows_something_is_left_alone(capsys, monkeypatch):
    monkeypatch.setattr(running, "QUIET_SECONDS", 0.5)
    with running.alive("work") as beat:
        for _ in range(20):
            beat()
            running.time.sleep(0.05)
    assert capsys.readouterr().out == ""


def test_a_command_that_fails_is_one_line(tmp_path):
    script = tmp_path / "fails.py"
    script.write_text("import sys; sys.exit('why')")
    with pytest.raises(SystemExit, match=r"fails.py ended with 1: see above$"):
        running.run(script)
    with pytest.raises(SystemExit, match=r"fails.py: why$"):
        running.output_of(script)


def test_only_what_is_missing_is_installed(tmp_path):
    (tmp_path / "more.txt").write_text("numpy>=2\nnumpy<2\n")
    (tmp_path / "all.txt").write_text(
        "# A comment.\n-r more.txt\npytest>=1\nno-such-package>=1\n-e .\n"
    )
    assert running.find_missing(tmp_path / "all.txt") == [
        "numpy<2",
        "no-such-package>=1",
    ]


def test_tpu_files(tmp_path):
    assert not running.has_tpu(tmp_path)
    (tmp_path / "accel0").touch()
    assert running.has_tpu(tmp_path)


def make_output(folder, *, step, leg=1, finished=False):
    """An attached output of the notebook's version that came to a step."""
    keep = folder / "bengali"
    name = f"backup-{leg:04d}-{step:09d}-001-ab12"
    (keep / "backup/final").mkdir(parents=True)
    (keep / f"backup/{name}.json").write_text("{}")
    if finished:
        (keep / "backup/final/manifest-0001.json").write_text("{}")
    return keep


def list_files(keep):
    return sorted(p.name for p in keep.rglob("*") if p.is_file())


def test_the_furthest_version_is_brought_back(tmp_path):
    inputs, keep = tmp_path / "input", tmp_path / "working" / "bengali"
    make_output(inputs / "notebooks/me/a", step=900)
    furthest = make_output(inputs / "b", step=20, leg=2)
    keep.mkdir(parents=True)  # The first cell makes it.
    assert earlier.bring_back(keep, inputs) == furthest
    assert list_files(keep) == ["backup-0002-000000020-001-ab12.json"]
    assert list(keep.parent.iterdir()) == [keep]
    # What is there is not written over.
    make_output(inputs / "c", step=30, leg=3)
    assert earlier.bring_back(keep, inputs) is None
    assert list_files(keep) == ["backup-0002-000000020-001-ab12.json"]


def test_a_finished_version_goes_first(tmp_path):
    make_output(tmp_path / "a", step=900, leg=2)
    done = make_output(tmp_path / "b", step=20, finished=True)
    assert earlier.bring_back(tmp_path / "new" / "bengali", tmp_path) == done


def test_half_a_copy_is_not_taken_for_a_whole_one(tmp_path):
    inputs, keep = tmp_path / "input", tmp_path / "working" / "bengali"
    make_output(inputs / "a", step=5)
    half = keep.with_name("bengali.new") / "backup"
    half.mkdir(parents=True)
    (half / "backup-0009-000000009-001-ab12.json").touch()
    earlier.bring_back(keep, inputs)
    assert list_files(keep) == ["backup-0001-000000005-001-ab12.json"]


def test_nothing_is_attached(tmp_path):
    assert earlier.bring_back(tmp_path / "bengali", tmp_path / "input") is None
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    """A server with a token that it accepts; nothing is attached."""
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_x")
    monkeypatch.setenv("KAGGLEHUB_CACHE", "")
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("KAGGLE_KERNEL_RUN_TYPE", raising=False)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("train.csv", os.urandom(2 << 20))
    files = {name: name.encode() * 9 for name in competition.TEST_FILES}
    with kaggle_server.KaggleServer(
        files | {"all": packed.getvalue()}
    ) as server:
        endpoints = kaggle_env._env_to_endpoint
        monkeypatch.setitem(endpoints, kaggle_env.KaggleEnv.LOCAL, server.url)
        yield server


def find(tmp_path, **options):
    return competition.find(
        tmp_path / "cache", inputs=tmp_path / "input", **options
    )


def test_a_download_that_broke_off_goes_on(kaggle, tmp_path):
    kaggle.break_at = 3 << 19  # kagglehub writes a MiB at a time.
    with pytest.raises(SystemExit, match="cell again, it continues where it"):
        find(tmp_path)
    folder = find(tmp_path)
    with zipfile.ZipFile(io.BytesIO(kaggle.files["all"])) as archive:
        assert (folder / "train.csv").read_bytes() == archive.read("train.csv")
    assert kaggle.ranges == ["", "", "bytes=1048576-"]
    # Nothing of the zip is left.
    assert [p.name for p in folder.parent.glob("*.archive")] == []


@pytest.mark.parametrize("missing", [0, 5])
def test_a_damaged_download_is_made_again(kaggle, tmp_path, missing):
    archive = tmp_path / "cache/competitions/bengaliai-cv19.archive"
    archive.parent.mkdir(parents=True)
    size = len(kaggle.files["all"]) - missing
    archive.write_bytes(b"x" * size)
    with pytest.raises(SystemExit, match="is damaged .* it starts from the"):
        find(tmp_path)
    assert (find(tmp_path) / "train.csv").stat().st_size == 2 << 20


def test_the_test_images_alone(kaggle, tmp_path):
    folder = find(tmp_path, only_tests=True)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {
        name: name.encode() * 9 for name in competition.TEST_FILES
    }
    assert len(kaggle.ranges) == 5


def test_rules_that_are_not_accepted_are_one_line(kaggle, tmp_path):
    kaggle.status = 403
    with pytest.raises(SystemExit) as stop:
        find(tmp_path)
    assert stop.value.code == (
        "Kaggle answers 403: accept the competition's rules once, at "
        "https://www.kaggle.com/competitions/bengaliai-cv19/rules, then run "
        "this cell again"
    )


def test_a_token_that_is_refused(kaggle, tmp_path):
    kaggle.status = 401
    with pytest.raises(SystemExit, match=r"^Kaggle answers 401: the token"):
        find(tmp_path)


def test_no_token(kaggle, tmp_path, monkeypatch):
    monkeypatch.delenv("KAGGLE_API_TOKEN")
    monkeypatch.setattr(competition.getpass, "getpass", no_keyboard)
    with pytest.raises(SystemExit, match="the Colab secret KAGGLE_API_TOKEN"):
        find(tmp_path)
    monkeypatch.setattr(competition.getpass, "getpass", lambda _: "KGAT_y")
    find(tmp_path)
    assert os.environ["KAGGLE_API_TOKEN"] == "KGAT_y"


def no_keyboard(prompt):
    raise NotImplementedError(prompt)  # As a kernel that nobody sits at.


def test_what_kaggle_has_attached_is_used_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")
    with pytest.raises(SystemExit, match="are not attached: Add Input"):
        find(tmp_path)
    folder = tmp_path / "input/competitions/bengaliai-cv19"
    folder.mkdir(parents=True)
    (folder / "train_image_data_0.parquet").touch()
    assert find(tmp_path) == folder
    assert list(tmp_path.iterdir()) == [pathlib.Path(tmp_path / "input")]
