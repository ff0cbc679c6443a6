"""One file with arrays and a JSON document; reading it runs no code from it.

The format is that of numpy.savez, an uncompressed zip with NAME.npy for each
array, with one more entry: document.json.
"""

import errno
import json
import os
import zipfile
from collections.abc import Mapping

import numpy as np

_DOCUMENT = "document.json"


def write(
    path: str | os.PathLike, arrays: Mapping[str, np.ndarray], document: dict
) -> None:
    """Writes a file; does not flush it to disk, since it is copied afterwards.

    Raises:
        ValueError: An array holds Python objects, which `read` would refuse.
    """
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise ValueError(f"{name} is an array of Python objects")
    with open(path, "wb") as file:
        # NumPy's types take any keyword for its allow_pickle.
        np.savez(file, **arrays)  # pyrefly: ignore[bad-argument-type]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(_DOCUMENT, json.dumps(document))


def read(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict]:
    """Reads a file that was written by `write`.

    Raises:
        zipfile.BadZipFile, KeyError, ValueError: The file is not one of
            `write`, or is damaged (every entry has a CRC-32), or an entry holds
            Python objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check(archive)
            document = json.loads(archive.read(_DOCUMENT))
        with np.load(path, allow_pickle=False) as loaded:
            names = [name for name in loaded.files if name != _DOCUMENT]
            return {name: loaded[name] for name in names}, document
    except (EOFError, NotImplementedError) as error:
        raise zipfile.BadZipFile(repr(error)) from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # A negative offset in a damaged zip.
            raise
        raise zipfile.BadZipFile(str(error)) from error


def _check(archive: zipfile.ZipFile) -> None:
    """Raises BadZipFile if an entry is not as it was written."""
    for entry in archive.infolist():
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise zipfile.BadZipFile(f"{entry.filename} is not stored as it is")
    # np.load checks no CRC if a damaged header makes an array seem shorter.
    if damaged := archive.testzip():
        raise zipfile.BadZipFile(f"Bad CRC-32 for file {damaged!r}")
