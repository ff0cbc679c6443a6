"""Sets the initial weights of a run that is at its first step."""

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
from absl import logging

from trainer.models import initial_weights
from trainer.runtime.run_state import RunState


class WarmStart(keras.callbacks.Callback):
    """Sets the initial weights of a run that is at its first step.

    Args:
        nets: The core, and the core with the moving average.
        state: The run; an earlier callback has restored it.
        read: Returns the initial weights of each layer, by the layer's name.
    """

    def __init__(
        self,
        nets: Sequence[keras.Model],
        *,
        state: RunState,
        read: Callable[[], Mapping[str, list[np.ndarray]]],
    ) -> None:
        super().__init__()
        self._nets = nets
        self._state = state
        self._read = read

    def on_train_begin(self, logs: dict | None = None) -> None:
        del logs
        if self._state.step:
            return
        weights = self._read()
        fresh: list[str] = []
        for net in self._nets:
            fresh = initial_weights.assign(net, weights)
        logging.info(
            "Starting from given weights; from scratch: %s",
            ", ".join(fresh) or "nothing",
        )
