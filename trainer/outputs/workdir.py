"""What a run leaves in its workdir, always made again from its state.

flags.txt     a flagfile that repeats the run
metrics.csv   a row an epoch, across all resumes; no figure depends on speed
speed.csv     a row an epoch: timings, accelerator memory
tensorboard/  the same figures as events
model.keras   the best model by validation score, calibrated
summary.json  scores, digests, versions, legs
report.html   all of it to look at
"""

import csv
import io
import json
import os
import pathlib
import tempfile
from collections.abc import Callable, Mapping

import numpy as np

import storage
from trainer.outputs.tensorboard_events import Events
from trainer.runtime.run_state import RunState


class Workdir:
    """The files of one run. Nothing is made before something is written.

    Args:
        path: The folder.
        chief: Whether this process is the one that writes. What the others of
            a run on several machines write is thrown away.
        sheet: From a step to a picture of augmented images; see events.py.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        chief: bool = True,
        sheet: Callable[[int], np.ndarray] | None = None,
    ):
        self.path = pathlib.Path(path)
        self.chief = chief
        self.sheet = sheet
        if not chief:
            self._scratch = tempfile.TemporaryDirectory()
            self.path = pathlib.Path(self._scratch.name)
        self._events = None
        self._shown = None

    def write_text(self, name: str, text: str) -> None:
        """Writes a file whole."""
        self.path.mkdir(parents=True, exist_ok=True)
        storage.write_whole(self.path / name, text.encode())

    def write_json(self, name: str, value: dict) -> None:
        """Writes a JSON file whole."""
        text = json.dumps(value, indent=1, ensure_ascii=False)
        self.write_text(name, text + "\n")

    def show(
        self,
        state: RunState,
        *,
        flagfile: str,
        judged: Mapping[str, tuple[dict, dict]],
    ) -> None:
        """Writes what is new since the last call, at the first call all of it.

        Args:
            state: The run.
            flagfile: Repeats the run.
            judged: What the last epoch's evaluation gave; see events.py.
        """
        if self._events is None:
            self.write_text("flags.txt", flagfile)
            self._events = Events(self.path / "tensorboard", self.sheet)
        if self._shown != len(state.history):
            self.write_text("metrics.csv", to_csv(state.history))
            self.write_text("speed.csv", to_csv(state.speed))
            self._shown = len(state.history)
        self._events.show(state, judged)


def to_csv(rows: list[dict]) -> str:
    """Returns a table with a header; floats in full, None as nothing."""
    if not rows:
        return ""
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {k: "" if v is None else v for k, v in row.items()} for row in rows
    )
    return text.getvalue()
