"""One file that holds arrays and a JSON document, and runs no code on reading.

A zip without compression: NAME.npy for each array, document.json for the rest.
"""

import json
import os
import zipfile
from collections.abc import Mapping

import numpy as np

_DOCUMENT = "document.json"


def write(
    path: str | os.PathLike, arrays: Mapping[str, np.ndarray], document: dict
) -> None:
    """Writes a file; not flushed to the disk, since it is copied on."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
        archive.writestr(_DOCUMENT, json.dumps(document))


def read(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict]:
    """Reads what `write` wrote.

    Raises:
        zipfile.BadZipFile, KeyError, ValueError: Not such a file, or damaged
            (every entry carries a CRC-32), or an entry holds Python objects.
    """
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        document = json.loads(archive.read(_DOCUMENT))
        for name in archive.namelist():
            if name.endswith(".npy"):
                with archive.open(name) as file:
                    arrays[name.removesuffix(".npy")] = (
                        np.lib.format.read_array(file, allow_pickle=False)
                    )
    return arrays, document
