"""Every folder keeps the same promises: local disk and two gs:// emulators."""

import contextlib
import errno
import os
import subprocess
import sys
import zipfile

import gcs_emulators
import pytest

import storage
from storage import Spool, UserError, local_folder, mounts, retry
from storage.errors import GaveUpError

KINDS = ["local", "gcp_storage_emulator", "fake_gcs_server"]


@pytest.fixture(scope="module", params=KINDS)
def location(request, tmp_path_factory):
    """Yields (kind, URL of an empty location)."""
    if request.param == "local":
        yield "local", str(tmp_path_factory.mktemp("location"))
        return
    with (
        getattr(gcs_emulators, request.param)() as host,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("STORAGE_EMULATOR_HOST", host)
        # Clients of another emulator are of no use.
        from storage import gcs_folder

        gcs_folder._clients.__dict__.clear()
        yield request.param, f"gs://{gcs_emulators.BUCKET}"


@pytest.fixture
def folder(location, request):
    folder = storage.open_folder(f"{location[1]}/{request.node.name}")
    folder.make()
    return folder


def test_missing_folder_is_empty(location):
    assert storage.open_folder(f"{location[1]}/nowhere").list() == {}


def test_list_shows_direct_children_alone(folder):
    folder.replace("a", b"12")
    below = storage.open_folder(folder.url + "/sub")
    below.make()
    below.replace("b", b"123")
    beside = storage.open_folder(folder.url + "2")
    beside.make()
    beside.replace("c", b"1234")
    assert folder.list() == {"a": 2}
    assert below.list() == {"b": 3}


_CHURN = """
import os, sys
print("ready", flush=True)
while True:
    for k in range(20):
        open(f"{sys.argv[1]}/gone{k}", "w").close()
    for k in range(20):
        os.unlink(f"{sys.argv[1]}/gone{k}")
"""


def test_list_beside_a_process_that_creates_and_removes_files(tmp_path):
    folder = storage.open_folder(tmp_path)
    folder.replace("here", b"123")
    with subprocess.Popen(
        [sys.executable, "-c", _CHURN, tmp_path], stdout=subprocess.PIPE
    ) as churn:
        assert churn.stdout.readline() == b"ready\n"
        sizes = {folder.list().get("here") for _ in range(5000)}
        churn.kill()
    assert sizes == {3}


def test_a_file_that_goes_while_its_size_is_read(tmp_path, monkeypatch):
    folder = storage.open_folder(tmp_path)
    for name in ("a", "b", "c"):
        folder.replace(name, b"123")

    class Entry:
        def __init__(self, entry):
            self.name = entry.name
            self.is_file = entry.is_file
            self._entry = entry

        def stat(self):
            if self.name == "b":
                (tmp_path / "b").unlink()
            return self._entry.stat()

    scandir = os.scandir

    @contextlib.contextmanager
    def scan(path):
        with scandir(path) as entries:
            yield (Entry(entry) for entry in entries)

    monkeypatch.setattr(local_folder.os, "scandir", scan)
    assert folder.list() == {"a": 3, "c": 3}


def test_read_and_replace(folder):
    folder.replace("a", b"old")
    folder.replace("a", b"new!")
    assert folder.read_bytes("a") == b"new!"
    assert folder.list() == {"a": 4}


def test_read_missing(folder):
    folder.replace("a", b"")
    with pytest.raises(FileNotFoundError):
        folder.read_bytes("b")


def test_upload_and_download_many_sizes(folder, tmp_path):
    # 9 MiB: above 8 MiB the client sends it in several requests.
    sizes = {"empty": 0, "small": 1000, "large": 9 << 20}
    files = {}
    for name, size in sizes.items():
        files[name] = tmp_path / name
        files[name].write_bytes((bytes(range(256)) * 40000)[:size])
    folder.upload_many(files)
    assert folder.list() == sizes
    for name, path in files.items():
        assert folder.has_same_bytes(path, name)
        folder.download(name, tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == path.read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {*sizes, "back"}


def test_upload_keeps_an_existing_file(folder, location, tmp_path):
    (tmp_path / "new").write_bytes(b"new")
    folder.replace("a", b"old")
    if location[0] == "gcp_storage_emulator":
        pytest.skip("it ignores if_generation_match")
    with pytest.raises(FileExistsError):
        folder.upload(tmp_path / "new", "a")
    assert folder.read_bytes("a") == b"old"


def test_same(folder, tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"1234")
    assert not folder.has_same_bytes(path, "a")
    folder.replace("a", b"123")
    assert not folder.has_same_bytes(path, "a")
    folder.replace("a", b"123x")
    assert not folder.has_same_bytes(path, "a")
    folder.replace("a", b"1234")
    assert folder.has_same_bytes(path, "a")
    digest = storage.file_digest(path)
    assert folder.has_same_bytes(path, "a", sha256=digest)
    for data in (b"123x", b"123"):
        path.write_bytes(data)
        folder.replace("a", data)
        assert not folder.has_same_bytes(path, "a", sha256=digest)


def test_download_missing_leaves_nothing(folder, tmp_path):
    with pytest.raises(FileNotFoundError):
        folder.download("a", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_delete(folder):
    folder.replace("a", b"1")
    folder.delete("a")
    folder.delete("a")
    assert folder.list() == {}


def test_missing_bucket(location):
    if location[0] == "local":
        pytest.skip("buckets are on gs:// alone")
    folder = storage.open_folder("gs://no-such-bucket/records")
    with pytest.raises(UserError, match="no-such-bucket"):
        folder.list()


def test_other_schemes_are_refused():
    with pytest.raises(UserError, match="got the scheme s3://"):
        storage.open_folder("s3://bucket")
    with pytest.raises(UserError, match="expected gs://bucket"):
        storage.open_folder("gs://")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="expected a folder, got a"):
        storage.open_folder(tmp_path / "file").list()
    with pytest.raises(UserError, match="expected a folder, got a"):
        storage.open_folder(tmp_path / "file" / "below").make()


def test_delete_takes_the_bytes_before_the_name(tmp_path, monkeypatch):
    """Drive's trash counts against the quota."""
    sizes = []
    unlink = local_folder.os.unlink

    def record(path):
        sizes.append(path.stat().st_size)
        unlink(path)

    monkeypatch.setattr(local_folder.os, "unlink", record)
    folder = storage.open_folder(tmp_path)
    folder.replace("a", b"12345")
    folder.delete("a")
    assert sizes == [0]


@pytest.fixture
def waits(monkeypatch):
    """Returns the seconds that were waited, without waiting."""
    waited = []
    monkeypatch.setattr(retry.time, "sleep", waited.append)
    return waited


def test_retry_until_it_works(waits):
    errors = [OSError(errno.EIO, "5"), OSError(errno.ENOTCONN, "107")]

    def work():
        if errors:
            raise errors.pop(0)
        return "done"

    assert retry.retry(work, "work") == "done"
    assert waits == [1, 2]


def test_retry_is_bounded(waits):
    def work():
        raise OSError(errno.ENOTCONN, "gone")

    with pytest.raises(OSError, match="gone"):
        retry.retry(work, "work")
    assert waits == [1, 2, 4, 8, 16]


def test_retry_lets_other_errors_through(waits):
    def work():
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        retry.retry(work, "work")
    assert waits == []


def test_a_retry_within_a_retry_leaves_the_error_to_it(waits):
    tries = []

    def work():
        tries.append(len(waits))
        raise OSError(errno.EIO, "5")

    def outer():
        retry.retry(work, "inner")

    with pytest.raises(OSError, match="5"):
        retry.retry(outer, "outer", attempts=3)
    assert tries == [0, 1, 2]
    assert waits == [1, 2]
    # What the outer one does not handle is the inner one's.
    with pytest.raises(OSError, match="5"):
        retry.retry(outer, "outer", handles=lambda error: False)
    assert waits == [1, 2, 1, 2, 4, 8, 16]


def test_what_was_given_up_is_not_tried_again(waits):
    def work():
        raise GaveUpError(errno.EIO, "for two minutes")

    with pytest.raises(OSError, match="for two minutes"):
        retry.retry(work, "work", handles=retry.is_os_error)
    assert waits == []


def test_download_goes_on_after_a_mounts_error(tmp_path, monkeypatch, waits):
    data = bytes(range(256)) * 100
    (tmp_path / "a").write_bytes(data)
    copy = local_folder.shutil.copyfileobj
    starts = []

    def break_once(source, sink, length):
        starts.append(source.tell())
        if len(starts) == 1:
            sink.write(source.read(1000))
            raise OSError(errno.EIO, "Input/output error")
        copy(source, sink, length)

    monkeypatch.setattr(local_folder.shutil, "copyfileobj", break_once)
    storage.open_folder(tmp_path).download("a", tmp_path / "b")
    assert starts == [0, 1000]
    assert (tmp_path / "b").read_bytes() == data
    assert waits == [1]


MOUNTS = r"""
22 1 8:1 / / rw - overlay overlay rw
23 22 0:5 / /data rw - ext4 /dev/sdb rw
24 22 0:6 / /content/drive rw,nosuid shared:9 - fuse.drive drive rw
25 22 0:7 / /with\040blank rw - nfs4 host:/x rw
26 22 0:8 / /usb rw - fuseblk /dev/sdc rw
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/x", False),
        ("/data/x", False),
        ("/content/drive/MyDrive/x", True),
        ("/content/driveway", False),
        ("/with blank/x", True),
        ("/usb/x", False),
    ],
)
def test_is_mount(path, expected):
    assert mounts.is_mount(path, MOUNTS.strip()) is expected


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "all.zip", "w", method) as archive:
        archive.writestr("below/a", b"1" * 1000)
        archive.writestr("b", b"22")
    folder = storage.open_folder(tmp_path / "all.zip")
    assert folder.list() == {"a": 1000, "b": 2}
    assert folder.read_bytes("b") == b"22"
    folder.download("a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"1" * 1000
    assert folder.has_same_bytes(tmp_path / "a", "a")
    digest = storage.file_digest(tmp_path / "a")
    assert folder.has_same_bytes(tmp_path / "a", "a", sha256=digest)
    assert not folder.has_same_bytes(tmp_path / "a", "a", sha256="")
    (tmp_path / "a").write_bytes(b"1" * 999 + b"2")
    assert not folder.has_same_bytes(tmp_path / "a", "a")
    with pytest.raises(UserError, match="cannot be written to"):
        folder.replace("a", b"")
    with pytest.raises(FileNotFoundError):
        folder.read_bytes("c")


def test_damaged_zip(tmp_path):
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"1" * 1000)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"1111", b"1121", 1))
    with pytest.raises(UserError, match="not a complete zip"):
        storage.open_folder(path).read_bytes("a")
    path.write_bytes(whole[:500])
    with pytest.raises(UserError, match="not a complete zip"):
        storage.open_folder(path)


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (8, 1, "all.zip: a is encrypted; extract the zip file"),
        (10, 9, "all.zip: .* compression .*; extract the zip file"),
        (6, 90, "all.zip: zip file version 9.0; extract the zip file"),
    ],
)
def test_a_zip_that_python_cannot_extract(tmp_path, offset, value, message):
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"1" * 1000)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + offset] = value  # In its directory.
    path.write_bytes(data)
    with pytest.raises(UserError, match=message):
        storage.open_folder(path).read_bytes("a")
    with pytest.raises(UserError, match=message):
        storage.open_folder(path).download("a", tmp_path / "copy")
    assert os.listdir(tmp_path) == ["all.zip"]


def test_spool_copies_once(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("a", b"123")
    folder = storage.open_folder(tmp_path / "all.zip")
    spool = Spool(folder, tmp_path / "spool")
    path = spool.local_path("a")
    assert path.read_bytes() == b"123"
    path.write_bytes(b"xyz")  # Seen again: it was not copied a second time.
    again = Spool(folder, tmp_path / "spool").local_path("a")
    assert again.read_bytes() == b"xyz"
    path.write_bytes(b"half")
    assert spool.local_path("a").read_bytes() == b"123"


def test_spool_leaves_local_files_alone(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    folder = storage.open_folder(tmp_path)
    assert Spool(folder).local_path("a") == tmp_path / "a"
    spool = Spool(folder, always=True)
    copy = spool.local_path("a")
    assert copy != tmp_path / "a"
    assert copy.read_bytes() == b"1"
