"""The hardware, and the data that all checks train on."""

import dataclasses
import json
import pathlib
import re
import shutil
import subprocess
from collections.abc import Mapping

from checks import processes
from checks.processes import Process

_SMALL_IMAGES = 400
# 20 steps of 128 images, in 10 epochs, on 300 images of 64 x 64.
RECIPE = (
    "--backbone=small",
    "--epochs=10",
    "--global_batch_size=128",
    "--backup_every_steps=3",
    "--steps_per_loop=1",
    "--backup_every_seconds=0",
)


@dataclasses.dataclass
class Machine:
    """The machine and the folder of the checks.

    Attributes:
        folder: The folder for all files.
        devices: The trainer's line about its devices.
        kind: "tpu", "gpu" or "cpu".
        hardware: nvidia-smi's line for each GPU.
        versions: Versions of Python and packages.
        small: A run of RECIPE that was not disturbed.
    """

    folder: pathlib.Path
    devices: str
    kind: str
    hardware: list[str]
    versions: dict[str, str]
    small: "Run"

    @classmethod
    def make(cls, folder: pathlib.Path, *, num_images: int) -> "Machine":
        """Draws the data, and trains the run that others are compared with."""
        print("drawing images, and the run that others are compared with")
        size = ("--image_height=64", "--image_width=64")
        _build(folder, "small", _SMALL_IMAGES, *size)
        _build(folder, "large", num_images)
        small = Run(folder, "undisturbed")
        small.start().wait()
        devices = small.first_line("Devices: ")
        kind = re.search("TPU|CPU", devices)
        return cls(
            folder=folder,
            devices=devices,
            kind=kind[0].lower() if kind else "gpu",
            hardware=_nvidia_smi(),
            versions=small.summary()["versions"],
            small=small,
        )


class Run:
    """A run of the trainer.

    Args:
        folder: Folder of all runs.
        name: Name of this run.
        flags: Flags in addition to `recipe`; they override it.
        data: "small" or "large".
        recipe: Flags.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        name: str,
        *flags: str,
        data: str = "small",
        recipe: tuple[str, ...] = RECIPE,
    ) -> None:
        self.folder = folder
        self.workdir = folder / name / "run"
        self.backup = folder / name / "backup"
        self.log = folder / name / f"{name}.log"
        self._flags = (
            *recipe,
            f"--data_dir={folder / data / 'records'}",
            f"--workdir={self.workdir}",
            f"--backup_dir={self.backup}",
            *flags,
        )

    def start(
        self, *more: str, env: Mapping[str, str] | None = None
    ) -> Process:
        """Starts the trainer, for the first time or again."""
        return Process(
            "trainer/main.py", *self._flags, *more, log=self.log, env=env
        )

    def has_backup(self) -> bool:
        """Returns whether there is a complete backup."""
        return any(self.backup.glob("backup-*.json"))

    def first_line(self, mark: str) -> str:
        """Returns the text after `mark` in the first line of the log with it.

        Raises:
            RuntimeError: The log has no such line.
        """
        for line in self.log.read_text("utf-8", "replace").splitlines():
            if mark in line:
                return line.partition(mark)[2]
        raise RuntimeError(f"{self.log}: no line with {mark!r}")

    def summary(self) -> dict:
        return json.loads((self.workdir / "summary.json").read_text("utf-8"))

    def losses(self) -> list[float]:
        """Returns the mean loss of each epoch."""
        rows = (self.workdir / "metrics.csv").read_text("utf-8").splitlines()
        column = rows[0].split(",").index("loss")
        return [float(row.split(",")[column]) for row in rows[1:]]


def _build(
    folder: pathlib.Path, name: str, num_images: int, *size: str
) -> None:
    """Draws images and builds their records."""
    images, records = folder / name / "images", folder / name / "records"
    processes.run(
        "sample_data/main.py",
        f"--output_dir={images}",
        f"--num_images={num_images}",
        "--num_train_files=1",
        log=folder / name / "drawing.log",
    )
    processes.run(
        "tfrecord_builder/main.py",
        f"--input_dir={images}",
        f"--output_dir={records}",
        *size,
        "--num_folds=4",
        log=folder / name / "building.log",
    )


def _nvidia_smi() -> list[str]:
    if not shutil.which("nvidia-smi"):
        return []
    query = "--query-gpu=name,memory.total,driver_version,compute_cap"
    done = subprocess.run(
        ["nvidia-smi", query, "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.splitlines()
