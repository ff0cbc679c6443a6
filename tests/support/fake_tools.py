"""Programs that a machine lacks, as short shell scripts."""

import pathlib


def write(folder: pathlib.Path, name: str, body: str) -> pathlib.Path:
    """Writes a program into a folder, which is made; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/usr/bin/env bash\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path
