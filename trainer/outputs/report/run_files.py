"""Reads the files of a workdir for the report.

Any part may be missing: a run that was killed has no summary, and a run of an
older version has other columns.
"""

import csv
import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from storage import UserError


@dataclasses.dataclass(frozen=True)
class Run:
    """The files of a workdir.

    Attributes:
        metrics: A row per epoch: its step, loss, score and recalls by name. A
            score or recall is None if there was nothing to evaluate.
        speed: A row of timings per epoch.
        summary: summary.json; {} if there is none.
        flags: The values in flags.txt, by name.
    """

    metrics: list[dict[str, Any]]
    speed: list[dict[str, float | None]]
    summary: dict[str, Any]
    flags: dict[str, str]

    @property
    def legs(self) -> list[dict[str, Any]]:
        return self.summary.get("legs", [])

    @property
    def steps_per_epoch(self) -> float:
        """Steps of an epoch; 0 before the first epoch is complete."""
        if not self.metrics:
            return 0.0
        return self.metrics[-1]["step"] / self.metrics[-1]["epoch"]

    def series(self, name: str) -> list[tuple[float, float]]:
        """Returns (epoch, value) of a column, without missing values."""
        return [
            (row["epoch"], row[name])
            for row in self.metrics
            if row.get(name) is not None
        ]


@dataclasses.dataclass(frozen=True)
class ScoredSplit:
    """The model's predictions for a split.

    Attributes:
        splits: Names of the dataset's splits; their records are scored in this
            order.
        labels: For each output, [N] integers.
        logits: For each output, [N, C] floats, before the calibration.
        calibration: For each output, numbers to add to its logits, [C].
    """

    splits: tuple[str, ...]
    labels: Mapping[str, np.ndarray]
    logits: Mapping[str, np.ndarray]
    calibration: Mapping[str, ArrayLike]

    def probabilities(self, output: str) -> np.ndarray:
        """Returns [N, C] float64 calibrated probabilities."""
        logits = np.float64(self.logits[output])
        logits = logits + np.asarray(self.calibration[output])
        logits -= logits.max(axis=1, keepdims=True)
        exp = np.exp(logits)
        return exp / exp.sum(axis=1, keepdims=True)


def read(workdir: str | os.PathLike) -> Run:
    """Reads a workdir.

    Raises:
        storage.UserError: The folder holds no files of a run.
    """
    workdir = pathlib.Path(workdir)
    summary = workdir / "summary.json"
    if not summary.exists() and not (workdir / "metrics.csv").exists():
        raise UserError(
            f"{workdir} holds neither summary.json nor metrics.csv: expected "
            "the --workdir of a run of trainer/main.py"
        )
    return Run(
        metrics=_read_table(workdir / "metrics.csv"),
        speed=_read_table(workdir / "speed.csv"),
        summary=json.loads(summary.read_text("utf-8"))
        if summary.exists()
        else {},
        flags=_read_flags(workdir / "flags.txt"),
    )


def _read_table(path: pathlib.Path) -> list[dict[str, float | None]]:
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [
            {
                name: float(value) if value else None
                for name, value in row.items()
            }
            for row in csv.DictReader(file)
        ]


def _read_flags(path: pathlib.Path) -> dict[str, str]:
    """Returns {"epochs": "20", "crop": "true", "xla": "false", …}."""
    flags = {}
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    for line in lines:
        name, equals, value = line.removeprefix("--").partition("=")
        if equals:
            flags[name] = value
        elif name.startswith("no"):
            flags[name.removeprefix("no")] = "false"
        else:
            flags[name] = "true"
    return flags
