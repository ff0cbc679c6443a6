"""Evaluates each epoch, and stores the results in the state of the run.

history  a row of scores, which do not depend on the machine's speed
best     the moving average of the weights at the epoch with the best score, or
         its mean over the last epochs
speed    a row of timings
"""

import dataclasses
import time
from collections.abc import Callable, Mapping

import keras
import numpy as np

from trainer.evaluation import metrics
from trainer.evaluation.split_predictor import SplitPredictor
from trainer.runtime import legs, named_variables
from trainer.runtime.run_state import RunState


@dataclasses.dataclass
class EpochEvaluation:
    """Evaluates after each epoch.

    Attributes:
        predictor: Predicts with the moving average of the weights.
        splits: By name ("validation", "unseen"), the dataset's splits.
        output_weights: Weight of each output in the score.
        epochs: Epochs of the run.
        average_epochs: The number of last epochs whose weights are averaged for
            the model (Izmailov et al. 2018, arXiv 1803.05407). 0: the model
            gets the weights of the best epoch.
        predictions: Labels and logits of the last evaluation, by name.
    """

    predictor: SplitPredictor
    splits: Mapping[str, tuple[str, ...]]
    output_weights: Mapping[str, float]
    epochs: int
    average_epochs: int
    predictions: dict[str, tuple[dict, dict]] = dataclasses.field(
        default_factory=dict
    )

    @property
    def images(self) -> int:
        """Number of images that are evaluated after each epoch."""
        splits = self.predictor.info.splits
        return sum(
            splits[name].records
            for names in self.splits.values()
            for name in names
        )

    def add_epoch(
        self,
        state: RunState,
        *,
        ema_core: keras.Model,
        memory_mb: Callable[[], int | None],
        on_batch: Callable[[int], None],
    ) -> None:
        """Evaluates the completed epoch and adds its rows to the state.

        Args:
            state: The run.
            ema_core: The net with the moving average of the weights.
            memory_mb: Returns the accelerator memory in use, in MiB; None if it
                is not known.
            on_batch: Called after each batch with its number of images. If it
                raises, the evaluation stops and the state is not changed.
        """
        began = time.monotonic()
        self.predictions = {
            name: self.predictor(members, on_batch=on_batch)
            for name, members in self.splits.items()
        }
        row = {
            "epoch": state.epoch + 1,
            "step": state.step,
            "loss": state.mean_loss,
            "score": None,
            **self._figures(),
        }
        best = self._weights_to_keep(state, row, ema_core)
        leg = state.current_leg
        speed = {
            "epoch": row["epoch"],
            "leg": state.leg,
            "images_per_second": legs.images_per_second(leg),
            "evaluation_seconds": time.monotonic() - began,
            "input_share": legs.input_share(leg),
            "memory_mb": memory_mb(),
        }
        state.end_epoch(row, speed=speed, best=best)

    def kept_epochs(self, history: list[dict]) -> list[int]:
        """Returns the epochs of the kept weights: the best one, or the last."""
        mean = [r["epoch"] for r in history if r["epoch"] > self._mean_after]
        if mean or not history:
            return mean
        best = max(  # The first of equal scores; without scores the last row.
            history,
            key=lambda r: r["epoch"] if r["score"] is None else r["score"],
        )
        return [best["epoch"]]

    @property
    def _mean_after(self) -> int:
        """The last epoch that is not in the mean."""
        return max(0, self.epochs - self.average_epochs)

    def _weights_to_keep(
        self, state: RunState, row: dict, ema_core: keras.Model
    ) -> dict[str, np.ndarray] | None:
        """Returns weights to keep after an epoch; None: no new ones."""
        number = row["epoch"] - self._mean_after  # in the mean, from 1
        if number <= 0 and not _is_best(row, state.history):
            return None
        named = named_variables.name_variables("ema", ema_core.weights)
        weights = {
            name: named_variables.to_numpy(variable)
            for name, variable in named.items()
        }
        if number <= 1:
            return weights
        return {
            name: mean + (weights[name] - mean) / np.float32(number)
            for name, mean in state.best.items()
        }

    def _figures(self) -> dict[str, float | None]:
        """Returns scores and recalls; those of "validation" have no prefix."""
        figures = {}
        for name, (labels, logits) in self.predictions.items():
            scores = metrics.evaluate(labels, logits, self.output_weights)
            prefix = "" if name == "validation" else f"{name}_"
            figures[f"{prefix}score"] = scores["score"]
            for output, recall in scores["recall"].items():
                figures[f"{prefix}recall_{output}"] = recall
        return figures


def _is_best(row: dict, history: list[dict]) -> bool:
    """Returns whether a row has the best score so far, or no score."""
    scores = [r["score"] for r in history if r["score"] is not None]
    return row["score"] is None or row["score"] > max(scores, default=-1.0)
