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
    found, found_document = archive.read(tmp_path / "a.zip")
    assert found_document == document
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("place", [0.3, 0.6])
def test_a_flipped_bit_is_seen(tmp_path, place):
    path = tmp_path / "a.zip"
    archive.write(path, {"w": np.zeros(1000, np.float32)}, {})
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 1
    path.write_bytes(data)
    with pytest.raises(zipfile.BadZipFile, match="CRC"):
        archive.read(path)


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
