"""Gives a run that is at its first step the weights to start from."""

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
from absl import logging

from trainer.models import initial_weights
from trainer.runtime.run_state import RunState


class WarmStart(keras.callbacks.Callback):
    """Gives a run that is at its first step its weights.

    Args:
        nets: The core and its moving average.
        state: The run, restored by a callback before this one.
        read: Returns, by layer, the weights to start from.
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
