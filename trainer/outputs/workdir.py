"""The files of a run in its workdir, written again at each start.

flags.txt     a flagfile that repeats the run
metrics.csv   a row per epoch, across all resumes; independent of the speed
speed.csv     a row per epoch: timings, accelerator memory
tensorboard/  the same numbers as events
model.keras   the best model by validation score, calibrated
summary.json  scores, digests, versions, legs
README.md     the model card, for users of the model
report.html   a page that shows all of it
"""

import atexit
import csv
import io
import json
import pathlib
import shutil
from collections.abc import Callable

import keras
import numpy as np
from absl import logging

import storage
from storage import Scratch
from trainer.evaluation.epoch_evaluation import EpochEvaluation
from trainer.outputs import model_card, summary
from trainer.outputs.tensorboard_events import Events
from trainer.runtime.run_state import RunState

# summary.json is also written by a leg that stops before the end.
_AT_THE_END = ("summary.json", "model.keras", model_card.NAME, "report.html")


class Workdir(keras.callbacks.Callback):
    """Writes the files of one run while it runs.

    Nothing is written before the run begins.

    Args:
        path: The folder.
        state: The run.
        evaluation: The evaluation of its epochs.
        flagfile: Text of a flagfile that repeats the run.
        sheet: Maps a step to a picture of augmented images; see
            tensorboard_events.py.
    """

    def __init__(
        self,
        path: pathlib.Path,
        *,
        state: RunState,
        evaluation: EpochEvaluation,
        flagfile: str,
        sheet: Callable[[int], np.ndarray],
    ) -> None:
        super().__init__()
        self.path = path
        self.state = state
        self.evaluation = evaluation
        self._flagfile = flagfile
        self._sheet = sheet
        self._events: Events | None = None
        self._epochs_written: int | None = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Removes the files that a run writes at its end.

        They are of another run, or this run will write them again. The other
        files are written again when the first epoch of the leg begins.
        """
        del logs
        removed = [n for n in _AT_THE_END if (self.path / n).exists()]
        card = self.path / model_card.NAME
        if card.exists() and not model_card.is_card(card):
            removed.remove(card.name)  # The user wrote it.
        for name in removed:
            (self.path / name).unlink()
        if removed:
            logging.info(
                "Removed %s of an earlier start from %s",
                ", ".join(removed),
                self.path,
            )
        if self.state.step == 0:
            shutil.rmtree(self.path / "profile", ignore_errors=True)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Writes all files that can be written at the start of a leg."""
        self._write_news()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Adds the losses of the steps."""
        self._write_news()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Adds the scores of the epoch."""
        self._write_news()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Writes the summary of a run that is not finished yet."""
        self.write_summary()

    def write_summary(self, **changes: object) -> None:
        """Writes summary.json.

        Args:
            **changes: Entries to add to or to replace in the summary of an
                unfinished run.
        """
        entries = summary.make(self.state, self.evaluation) | changes
        text = json.dumps(entries, indent=1, ensure_ascii=False)
        self._write_text("summary.json", text + "\n")

    def _write_news(self) -> None:
        """Writes new values since the last call; the first call writes all."""
        state = self.state
        if self._events is None:
            self._write_text("flags.txt", self._flagfile)
            self._events = Events(self.path / "tensorboard", self._sheet)
        if self._epochs_written != state.epoch:
            self._write_text("metrics.csv", to_csv(state.history))
            self._write_text("speed.csv", to_csv(state.speed))
            self._epochs_written = state.epoch
        self._events.show(state, self.evaluation.predictions)

    def _write_text(self, name: str, text: str) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        storage.write_whole(self.path / name, text.encode())


def local_path(path: str, *, chief: bool) -> pathlib.Path:
    """Returns the folder that this process writes to.

    Args:
        path: The workdir of the run.
        chief: Whether this process writes the results. The other workers of a
            run on several machines get a temporary folder.
    """
    if chief:
        return pathlib.Path(path)
    scratch = Scratch()
    atexit.register(scratch.remove)
    return scratch.path


def to_csv(rows: list[dict]) -> str:
    """Returns rows as csv with a header; floats in full, None as nothing."""
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
