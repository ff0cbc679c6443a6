"""Judges each epoch, and keeps what comes of it in the state of the run.

history  a row of figures, which do not depend on the machine's speed
best     the moving average of the weights, of the epoch with the best score, or
         its mean over the last epochs
speed    a row of timings
"""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping

import keras
import numpy as np

from trainer.evaluation import metrics
from trainer.evaluation.split_predictor import Judge
from trainer.runtime import run_state, speed
from trainer.runtime.run_state import RunState


@dataclasses.dataclass
class Evaluation:
    """What is judged after each epoch.

    Attributes:
        judge: Evaluates the moving average of the weights.
        splits: By name ("validation", "unseen"), the dataset's splits.
        output_weights: By output, its weight in the score.
        mean_after: Epochs after which the mean of all further ones is kept in
            the best one's stead (Izmailov et al. 2018, arXiv 1803.05407).
        judged: What the last evaluation gave: by name, labels and logits.
    """

    judge: Judge
    splits: Mapping[str, tuple[str, ...]]
    output_weights: Mapping[str, float]
    mean_after: float = math.inf
    judged: dict[str, tuple[dict, dict]] = dataclasses.field(
        default_factory=dict
    )

    def add_epoch(
        self,
        state: RunState,
        *,
        loss: float,
        ema_core: keras.Model,
        memory_mb: Callable[[], int | None],
        on_batch: Callable[[int], None],
    ) -> None:
        """Judges the epoch that is done and adds its rows to the state.

        Args:
            state: The run.
            loss: Mean of the epoch's steps.
            ema_core: Holds the moving average of the weights.
            memory_mb: Returns the accelerator memory used; None: not known.
            on_batch: Called after each batch with the images done so far; it
                may raise to stop, and the state is as before.
        """
        began = time.monotonic()
        self.judged = {
            name: self.judge(members, on_batch=on_batch)
            for name, members in self.splits.items()
        }
        row = {
            "epoch": len(state.history) + 1,
            "step": state.step,
            "loss": loss,
            "score": None,
            **self._figures(),
        }
        number = row["epoch"] - self.mean_after  # in the mean, from 1
        if number > 0 or _is_best(row, state.history):
            named = run_state.name_variables("ema", ema_core.weights)
            weights = {
                name: run_state.to_numpy(variable)
                for name, variable in named.items()
            }
            if number > 1:
                weights = {
                    name: mean + (weights[name] - mean) / np.float32(number)
                    for name, mean in state.best.items()
                }
            state.best = weights
        state.speed.append(
            speed.epoch_row(
                state.legs[-1],
                epoch=row["epoch"],
                evaluation_seconds=time.monotonic() - began,
                memory_mb=memory_mb(),
            )
        )
        state.history.append(row)
        state.loss_sum = 0.0

    def kept_epochs(self, history: list[dict]) -> list[int]:
        """Returns the epochs that the kept weights are of, or the mean of."""
        mean = [r["epoch"] for r in history if r["epoch"] > self.mean_after]
        if mean or not history:
            return mean
        best = max(  # The first of equal scores; without scores, the last.
            history,
            key=lambda r: r["epoch"] if r["score"] is None else r["score"],
        )
        return [best["epoch"]]

    def _figures(self):
        """Returns scores and recalls, those of "validation" by bare names."""
        figures = {}
        for name, (labels, logits) in self.judged.items():
            found = metrics.judge(labels, logits, self.output_weights)
            prefix = "" if name == "validation" else f"{name}_"
            figures[f"{prefix}score"] = found["score"]
            for output, recall in found["recall"].items():
                figures[f"{prefix}recall_{output}"] = recall
        return figures


def _is_best(row, history):
    """Whether a row has the best score; without scores the last is best."""
    scores = [r["score"] for r in history if r["score"] is not None]
    return row["score"] is None or row["score"] > max(scores, default=-1.0)
