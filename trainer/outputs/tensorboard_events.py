"""TensorBoard events of a run, written again at each start from its state.

step/loss, step/learning_rate      means over some steps, 50 in each epoch
epoch/loss, score, recall_…        after each epoch; unseen_… likewise
speed/…                            timings of each epoch
augmented                          training images, once in each leg
confusion/…                        rows: true classes; columns: predictions
"""

import pathlib
import shutil
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from trainer.evaluation import metrics
from trainer.runtime.run_state import RunState

_LEAST_PIXELS = 320  # Smallest side of the picture of a confusion matrix.


class Events:
    """Writes new values of a run's state.

    Args:
        folder: Folder to write to. Files of an earlier leg are removed, because
            they may contain steps after the backup that this leg resumed from.
        sheet: Maps a step to [h, w] uint8, a picture of augmented images.
    """

    def __init__(
        self, folder: pathlib.Path, sheet: Callable[[int], np.ndarray]
    ) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self._writer = tf.summary.create_file_writer(str(folder))
        self._sheet = sheet
        self._epochs = self._rows = self._legs = 0

    def show(
        self,
        state: RunState,
        predictions: Mapping[str, tuple[dict, dict]],
    ) -> None:
        """Adds the steps, epochs and legs since the last call.

        Args:
            state: The run.
            predictions: Of the last epoch's evaluation: by name ("validation",
                …), labels and logits of each output.
        """
        new_epoch = len(state.history) > self._epochs
        # The last row grows until its epoch is evaluated.
        done = state.history and state.history[-1]["step"] == state.step
        rows = len(state.trace) - (0 if done else 1)
        # Not before the first step: training does not wait for the picture.
        began = state.step > state.legs[-1]["first_step"]
        legs = len(state.legs) if began else self._legs
        with self._writer.as_default():
            for row in state.trace[self._rows : rows]:
                first, count, loss, rate = row
                step = first + count
                tf.summary.scalar("step/loss", loss / count, step=step)
                tf.summary.scalar("step/learning_rate", rate, step=step)
            for leg in state.legs[self._legs : legs]:
                picture = self._sheet(leg["first_step"])[None, ..., None]
                tf.summary.image("augmented", picture, leg["first_step"])
            for epoch in range(self._epochs, len(state.history)):
                _show_epoch(state.history[epoch], state.speed[epoch])
            if new_epoch:
                _show_confusions(predictions, state.step)
        self._writer.flush()
        self._rows = max(self._rows, rows)
        self._legs, self._epochs = legs, len(state.history)


def _show_epoch(
    row: Mapping[str, float | None], timing: Mapping[str, float | None]
) -> None:
    for group, figures in (("epoch", row), ("speed", timing)):
        for name, value in figures.items():
            if value is not None and name not in ("epoch", "step", "leg"):
                tf.summary.scalar(f"{group}/{name}", value, step=row["step"])


def _show_confusions(
    predictions: Mapping[str, tuple[dict, dict]], step: int
) -> None:
    for name, (labels, logits) in predictions.items():
        prefix = "" if name == "validation" else f"{name}_"
        for output, values in logits.items():
            counts = metrics.confusion(
                labels[output], values.argmax(axis=1), values.shape[1]
            )
            tf.summary.image(
                f"confusion/{prefix}{output}",
                draw_confusion(counts)[None, ..., None],
                step=step,
            )


def draw_confusion(counts: np.ndarray) -> np.ndarray:
    """Returns a picture of a confusion matrix.

    Args:
        counts: [C, C] integers: rows true classes, columns predictions.

    Returns:
        [h, h] uint8. The darkness of a cell is the square root of its fraction
        of
        the examples of its row, so that small fractions are visible: 0 is
        white, 1
        is black.
    """
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    pixels = np.uint8(np.round(255 * (1.0 - np.sqrt(share))))
    side = -(-_LEAST_PIXELS // len(counts))
    return pixels.repeat(side, axis=0).repeat(side, axis=1)
