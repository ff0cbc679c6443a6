"""One file that holds arrays and a JSON document, and runs no code on reading.

What numpy.savez writes, a zip without compression with NAME.npy for each array,
and one more entry: document.json.
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
    """Writes a file; not flushed to the disk, since it is copied on.

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
    """Reads what `write` wrote.

    Raises:
        zipfile.BadZipFile, KeyError, ValueError: Not such a file, or damaged
            (every entry carries a CRC-32), or an entry holds Python objects.
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
        if error.errno != errno.EINVAL:  # An offset before the file's start.
            raise
        raise zipfile.BadZipFile(str(error)) from error


def _check(archive: zipfile.ZipFile) -> None:
    """Raises BadZipFile if an entry is not as it was written."""
    for entry in archive.infolist():
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
            raise zipfile.BadZipFile(f"{entry.filename} is not stored as it is")
    # An array that seems shorter than it is would not be read to its CRC.
    if damaged := archive.testzip():
        raise zipfile.BadZipFile(f"Bad CRC-32 for file {damaged!r}")
