"""Digests of a finished run that must not depend on kills."""

import hashlib
import json
import pathlib
import zipfile

import h5py
import numpy as np


def fingerprint(workdir: pathlib.Path) -> dict[str, str]:
    """Returns digests of a finished run's files.

    Raises:
        RuntimeError: The run is not finished.
    """
    summary = json.loads((workdir / "summary.json").read_text())
    if not summary["finished"]:
        raise RuntimeError(f"{workdir} is not finished")
    metrics = (workdir / "metrics.csv").read_bytes()
    scores = {k: v for k, v in summary.items() if k in ("score", "judged")}
    text = json.dumps(scores, sort_keys=True).encode()
    return {
        "final_state_sha256": summary["final_state_sha256"],
        "metrics_csv": hashlib.sha256(metrics).hexdigest()[:16],
        "model_keras": model_digest(workdir / "model.keras")[:16],
        "scores": hashlib.sha256(text).hexdigest()[:16],
    }


def model_digest(path: pathlib.Path) -> str:
    """Returns a digest of a model's configuration, card and arrays."""
    digest = hashlib.sha256()

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            value = np.ascontiguousarray(item[()])
            digest.update(f"{name} {value.dtype} {value.shape}".encode())
            digest.update(value.tobytes())

    with zipfile.ZipFile(path) as archive:
        for name in ("config.json", "dataset.json"):
            digest.update(archive.read(name))
        with (
            archive.open("model.weights.h5") as file,
            h5py.File(file, "r") as weights,
        ):
            weights.visititems(visit)
    return digest.hexdigest()
