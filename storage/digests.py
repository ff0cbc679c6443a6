"""Digests of files."""

import hashlib
import os


def file_digest(path: str | os.PathLike) -> str:
    """Returns the sha256 of a file's bytes, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
