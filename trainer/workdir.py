"""What a run leaves in its workdir, always made again from its state.

flags.txt     a flagfile that repeats the run
metrics.csv   a row an epoch, across all resumes; no figure depends on speed
speed.csv     a row an epoch of timings
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
import shutil
import tempfile

import tensorflow as tf

import storage
from trainer import run_state


class Workdir:
    """The files of one run. Nothing is made before something is written.

    Args:
        path: The folder.
        chief: Whether this process is the one that writes. What the others of
            a run on several machines write is thrown away.
    """

    def __init__(self, path: str | os.PathLike, *, chief: bool = True):
        self.path = pathlib.Path(path)
        self.chief = chief
        if not chief:
            self._scratch = tempfile.TemporaryDirectory()
            self.path = pathlib.Path(self._scratch.name)
        self._events = None
        self._shown = 0

    def write_text(self, name: str, text: str) -> None:
        """Writes a file whole."""
        self.path.mkdir(parents=True, exist_ok=True)
        storage.write_whole(self.path / name, text.encode())

    def write_json(self, name: str, value: dict) -> None:
        """Writes a JSON file whole."""
        text = json.dumps(value, indent=1, ensure_ascii=False)
        self.write_text(name, text + "\n")

    def show(self, state: run_state.RunState, *, flagfile: str) -> None:
        """Writes the flags, and the tables and events of all epochs so far."""
        history, speed = state.history, state.speed
        self.write_text("flags.txt", flagfile)
        self.write_text("metrics.csv", to_csv(history))
        self.write_text("speed.csv", to_csv(speed))
        folder = self.path / "tensorboard"
        if self._events is None:
            # Events of an earlier leg end at its last epoch, not at its
            # backup: they are written anew from the history.
            shutil.rmtree(folder, ignore_errors=True)
            self._events = tf.summary.create_file_writer(str(folder))
        with self._events.as_default():
            for row, timing in list(zip(history, speed, strict=True))[
                self._shown :
            ]:
                for name, value in {**row, **timing}.items():
                    if value is not None and name not in ("epoch", "step"):
                        tf.summary.scalar(name, value, step=row["step"])
        self._events.flush()
        self._shown = len(history)


def to_csv(rows: list[dict]) -> str:
    """Returns a table with a header; floats in full, None as nothing."""
    if not rows:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {k: "" if v is None else v for k, v in row.items()} for row in rows
    )
    return text.getvalue()
