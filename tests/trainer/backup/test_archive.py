"""The archive: what goes in comes out, damage is seen, nothing is run."""

import io
import zipfile

import numpy as np
import pytest

from trainer.backup import archive


def test_arrays_and_document_come_back_as_they_were(tmp_path):
    arrays = {
        "model/0000.kernel": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "seed": np.array([3, 7], np.uint32),
        "step": np.array(5),
        "empty": np.zeros((0, 2), np.float16),
    }
    document = {"step": 7, "loss": 0.1, "history": [{"score": None}]}
    archive.write(tmp_path / "a.zip", arrays, document)
    restored, restored_document = archive.read(tmp_path / "a.zip")
    assert restored_document == document
    assert list(restored) == list(arrays)
    for name, array in arrays.items():
        assert restored[name].dtype == array.dtype
        np.testing.assert_array_equal(restored[name], array)


@pytest.mark.parametrize("fraction", [0.3, 0.6])
def test_a_flipped_bit_is_seen(tmp_path, fraction):
    path = tmp_path / "a.zip"
    archive.write(path, {"w": np.zeros(1000, np.float32)}, {})
    data = bytearray(path.read_bytes())
    data[int(len(data) * fraction)] ^= 1
    path.write_bytes(data)
    with pytest.raises(zipfile.BadZipFile, match="CRC"):
        archive.read(path)


def test_an_array_that_seems_shorter_is_seen(tmp_path):
    """What is read of it ends before the bytes that the CRC follows."""
    path = tmp_path / "a.zip"
    archive.write(path, {"w": np.zeros(1000, np.float32)}, {})
    path.write_bytes(path.read_bytes().replace(b"(1000,)", b"(100,) "))
    with pytest.raises(zipfile.BadZipFile, match="CRC"):
        archive.read(path)


def test_any_damage_is_an_error_or_does_no_harm(tmp_path):
    """Each byte in turn is another, then the file ends before it."""
    path = tmp_path / "a.zip"
    arrays = {"w": np.arange(3, dtype=np.float32), "step": np.array(5)}
    archive.write(path, arrays, {"step": 7})
    data = path.read_bytes()
    damaged = [data[:k] for k in range(len(data))]
    for k in range(len(data)):
        for bit in (1, 16):
            flipped = bytes([data[k] ^ bit])
            damaged.append(data[:k] + flipped + data[k + 1 :])
    errors = 0
    for harm in damaged:
        path.write_bytes(harm)
        try:
            restored, document = archive.read(path)
        except (zipfile.BadZipFile, KeyError, ValueError):
            errors += 1
            continue
        assert document == {"step": 7}
        assert {k: v.tolist() for k, v in restored.items()} == {
            "w": [0.0, 1.0, 2.0],
            "step": 5,
        }
    assert errors > len(damaged) / 2


def test_what_older_versions_wrote_is_read(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as old:
        with old.open("model/0000.kernel.npy", "w", force_zip64=True) as file:
            np.lib.format.write_array(file, np.eye(2), allow_pickle=False)
        old.writestr("document.json", '{"step": 7}')
    arrays, document = archive.read(path)
    assert document == {"step": 7}
    assert list(arrays) == ["model/0000.kernel"]
    assert arrays["model/0000.kernel"].tolist() == [[1, 0], [0, 1]]


def test_python_objects_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="w is an array of Python objects"):
        archive.write(
            tmp_path / "a.zip", {"w": np.array([{}], dtype=object)}, {}
        )


def test_python_objects_are_not_loaded(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "was_run"), "w"))

    file = io.BytesIO()
    np.save(file, np.array([Bomb()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as bad:
        bad.writestr("document.json", "{}")
        bad.writestr("w.npy", file.getvalue())
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        archive.read(tmp_path / "a.zip")
    assert not (tmp_path / "was_run").exists()
