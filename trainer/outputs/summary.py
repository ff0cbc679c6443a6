"""summary.json: the results of a run, finished or not."""

import platform

import keras
import numpy as np
import tensorflow as tf

from console import version
from trainer.evaluation.epoch_evaluation import EpochEvaluation
from trainer.runtime import legs, useful_time
from trainer.runtime.run_state import RunState


def make(state: RunState, evaluation: EpochEvaluation) -> dict:
    """Returns the summary of a run that is not finished.

    Args:
        state: The run.
        evaluation: Decides which epochs' weights are kept.
    """
    return {
        "finished": False,
        "score": None,
        # The epochs whose weights, or their mean, the model has.
        "model_epochs": evaluation.kept_epochs(state.history),
        "epochs": state.epoch,
        "step": state.step,
        "final_state_sha256": state.digest(),
        "legs": [legs.summarise(leg) for leg in state.legs],
        "time": useful_time.summarise(state.legs, state.speed),
        "bad_steps": state.bad_steps,
        "versions": {
            version.NAME: version.VERSION,
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
    }
