"""A mount that is not there is refused; one that goes is noticed."""

import os

import pytest

import storage
from storage import UserError, mount_guard
from storage.mount_guard import MountGuard


def guard(path, note):
    return MountGuard(storage.open_folder(path), note)


def test_drive_that_is_not_mounted_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(mount_guard, "_MOUNTPOINTS", (str(tmp_path / "drive"),))
    (tmp_path / "drive").mkdir()
    with pytest.raises(UserError, match="is not mounted: run google"):
        guard(tmp_path / "drive" / "MyDrive" / "run", tmp_path / "note")
    assert not any((tmp_path / "drive").iterdir())
    guard(tmp_path / "elsewhere", tmp_path / "note")


class Mounts:
    """Pretends that some folders are mountpoints, each with its device."""

    def __init__(self, monkeypatch):
        self.devices = {"/": 1}
        stat, ismount = os.stat, os.path.ismount
        monkeypatch.setattr(os.path, "ismount", self.is_mount)
        monkeypatch.setattr(os, "stat", self.stat)
        self._stat = stat
        del ismount

    def is_mount(self, path):
        return str(path) in self.devices

    def stat(self, path, **options):
        self._stat(path, **options)
        path = str(path)
        while path not in self.devices:
            path = os.path.dirname(path)
        device = self.devices[path]
        return type("Stat", (), {"st_dev": device})()


@pytest.fixture
def mounts(monkeypatch):
    return Mounts(monkeypatch)


def test_a_bare_folder_in_its_place_is_noticed(tmp_path, mounts):
    drive = tmp_path / "drive"
    (drive / "run").mkdir(parents=True)
    mounts.devices[str(drive)] = 7
    found = guard(drive / "run", tmp_path / "note")
    found.remember()
    found.check()
    assert not found.shares_disk_with(tmp_path)
    del mounts.devices[str(drive)]
    with pytest.raises(OSError, match="is it still mounted"):
        found.check()
    mounts.devices[str(drive)] = 9  # Mounted anew, under another number.
    found.check()
    assert found._device == 9


def test_another_disk_under_the_folder_is_no_new_mount(tmp_path, mounts):
    (tmp_path / "run").mkdir()
    found = guard(tmp_path / "run", tmp_path / "note")
    found.remember()
    assert found.shares_disk_with(tmp_path)
    mounts.devices[str(tmp_path)] = 7
    with pytest.raises(OSError, match="is it still mounted"):
        found.check()


def test_the_next_start_knows_where_a_mount_was(tmp_path, mounts):
    drive = tmp_path / "drive"
    (drive / "run").mkdir(parents=True)
    mounts.devices[str(drive)] = 7
    guard(drive / "run", tmp_path / "note").remember()
    guard(drive / "run", tmp_path / "note")
    del mounts.devices[str(drive)]
    with pytest.raises(UserError, match="not mounted: mount it first"):
        guard(drive / "run", tmp_path / "note")
    guard(tmp_path / "other", tmp_path / "note")


def test_a_folder_that_is_gone_fails(tmp_path):
    (tmp_path / "run").mkdir()
    found = guard(tmp_path / "run", tmp_path / "note")
    found.remember()
    (tmp_path / "run").rmdir()
    with pytest.raises(FileNotFoundError):
        found.check()
    assert not (tmp_path / "run").exists()
