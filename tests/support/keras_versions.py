"""Other versions of Keras beside the one that the tests run with.

Keras is Python alone, so that each version is a folder, .data/keras-VERSION,
that comes first on the path of a process. As a script, run by such a process:

    keras_versions.py READ_DIR WRITE_DIR

writes a model of each of MODELS and its logits, NAME.keras and NAME.npz, to
WRITE_DIR, and NAME.read.npz, the logits of READ_DIR's models.
"""

import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The oldest that is supported, Colab's, and the newest.
VERSIONS = ("3.10.0", "3.13.2", "3.15.1")
OUTPUTS = {"root": 7, "vowel": 3}
SIZE = 32
MODELS = {
    "resnet9": {"pool": "attention"},
    "tiny": {"pool": "gem", "pool_per_output": True},
    "resnet18_v2": {"pool": "average"},
    "applications_convnext_tiny": {"pool": "average"},
}


def run(version: str, read_dir: pathlib.Path, write_dir: pathlib.Path) -> None:
    """Runs this script with a version; skips where it cannot be installed."""
    done = run_script(version, __file__, read_dir, write_dir)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"Keras {version}"


def run_script(
    version: str, script: str, *arguments: os.PathLike
) -> subprocess.CompletedProcess[str]:
    """Runs a script with a version; skips where it cannot be installed."""
    return subprocess.run(
        [sys.executable, script, *arguments],
        env=os.environ | {"PYTHONPATH": f"{_folder(version)}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )


def _folder(version: str) -> pathlib.Path:
    folder = ROOT / ".data" / f"keras-{version}"
    if not folder.exists():
        new = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        install = [sys.executable, "-m", "pip", "install", "--quiet"]
        install += ["--disable-pip-version-check", "--no-input", "--no-deps"]
        done = subprocess.run(
            [*install, "--target", new, f"keras=={version}"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            reason = done.stderr.strip().splitlines()[-1]
            pytest.skip(f"Keras {version} cannot be installed here: {reason}")
        new.rename(folder)
    return folder


def write(folder: pathlib.Path) -> None:
    """Writes a model of each of MODELS, and its logits."""
    import cores

    from trainer.models import heads, model_file, network
    from trainer.models.heads import Graphemes
    from trainer.models.preprocessing import Preprocessing

    graphemes = Graphemes(OUTPUTS, ((0, 0), (1, 2), (6, 1)))
    for name, options in MODELS.items():
        core = cores.build(
            backbone=name,
            height=SIZE,
            width=SIZE,
            outputs=OUTPUTS,
            graphemes=graphemes,
            **options,
        )
        for output in [*OUTPUTS, heads.GRAPHEME]:  # So that answers differ.
            kernel = core.get_layer(output).kernel
            kernel.assign(kernel * 100.0)
        served = network.build_served(
            network.decode(core, graphemes),
            preprocess=Preprocessing(SIZE, SIZE, crop=True),
            image_shape=(12, 16),
            calibration={n: [0.25] * size for n, size in OUTPUTS.items()},
        )
        path = folder / f"{name}.keras"
        model_file.write(path, served, {"format": model_file.FORMAT})
        np.savez(folder / f"{name}.npz", **_logits(served))


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns the logits of a model.keras."""
    from trainer.models import model_file

    return _logits(model_file.read(path)[0])


def _logits(model) -> dict[str, np.ndarray]:
    images = np.random.default_rng(0).integers(0, 256, (4, 12, 16, 1), np.uint8)
    return {name: value.numpy() for name, value in model(images).items()}


def main(read_dir: pathlib.Path, write_dir: pathlib.Path) -> None:
    import keras

    write(write_dir)
    for name in MODELS:
        logits = read(read_dir / f"{name}.keras")
        np.savez(write_dir / f"{name}.read.npz", **logits)
    print(f"Keras {keras.__version__}")


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:]))
