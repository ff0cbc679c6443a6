"""The end of a run: the model that is handed over, and its summary."""

import platform

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from tfrecord_builder.records.dataset_info import DatasetInfo
from trainer.evaluation import calibrate, metrics
from trainer.evaluation.epoch_evaluation import Evaluation
from trainer.evaluation.split_predictor import Judge
from trainer.models import model_file, network
from trainer.models.preprocessing import Preprocessing
from trainer.outputs.report.run_files import Judged
from trainer.outputs.workdir import Workdir
from trainer.runtime import run_state
from trainer.runtime.run_state import RunState


def build_best(state: RunState, *, core_args: dict) -> keras.Model:
    """Builds the net, in float32, with the best weights of the run."""
    core = network.build_core(**core_args, policy="float32")
    named = run_state.name_variables("ema", core.weights)
    for name, variable in named.items():
        variable.assign(state.best[name])
    return network.decode(core, core_args["graphemes"])


def hand_over(
    left: Workdir,
    state: RunState,
    core: keras.Model,
    judge_: Judge,
    evaluation_: Evaluation,
    *,
    preprocess: Preprocessing,
    info: DatasetInfo,
) -> None:
    """Writes model.keras, summary.json and report.html of a run at its end.

    Args:
        left: Where to.
        state: The run.
        core: What build_best returned.
        judge_: Runs that core.
        evaluation_: What chose its weights; the same splits are judged.
        preprocess: What the core was trained behind.
        info: The dataset.
    """
    splits = evaluation_.splits
    output_weights = dict(evaluation_.output_weights)
    scored = {name: judge_(members) for name, members in splits.items()}
    calibration = {o.name: [0.0] * len(o.classes) for o in info.outputs}
    fitted = None
    if "validation" in scored:
        calibration, fitted = calibrate.fit(
            # The validation fold, and where there are any unseen graphemes.
            list(scored.values()),
            info.class_counts(set(info.folds) - set(splits["validation"])),
        )
        fitted["score"] = metrics.score(fitted["recall"], output_weights)
    judged = {
        name: metrics.judge_calibrated(
            labels, logits, calibration, output_weights
        )
        for name, (labels, logits) in scored.items()
    }
    served = network.build_served(
        core,
        preprocess=preprocess,
        image_shape=(info.image.height, info.image.width),
        calibration=calibration,
    )
    card = model_file.make_card(
        info, output_weights=output_weights, calibration=calibration
    )
    path = left.path / "model.keras"
    model_file.write(path, served, card)
    left.write_json(
        "summary.json",
        summarise(state, evaluation_)
        | {
            "finished": True,
            "judged": judged,
            "calibration": fitted,
            "parameters": core.count_params(),
        }
        | judged.get("validation", {}),
    )
    for name, figures in judged.items():
        recalls = ", ".join(
            f"{output} {value:.4f}"
            for output, value in figures["recall"].items()
            if value is not None
        )
        logging.info(
            "Score on %s (%d images): %.4f, %.4f before calibration (%s)",
            name,
            figures["images"],
            figures["score"],
            figures["score_uncalibrated"],
            recalls,
        )
    logging.info("Wrote %s, and summary.json beside it", path)
    if left.chief:
        _report(
            left.path,
            judged={
                name: Judged(splits[name], labels, logits, calibration)
                for name, (labels, logits) in scored.items()
            },
            output_weights=output_weights,
            info=info,
            data_dir=judge_.data_dir,
        )


def _report(path, **what):
    try:
        from trainer.outputs.report import (
            page,  # Its fonts cost a start 0.25 s.
        )

        logging.info("Wrote %s", page.write(path, **what))
    except Exception as error:  # The run is whole, whatever failed here.
        logging.error(
            "No report.html: %s: %s. trainer/report.py --workdir=%s makes it",
            type(error).__name__,
            error,
            path,
        )


def write_summary(
    left: Workdir,
    state: RunState,
    evaluation_: Evaluation,
) -> None:
    """Writes the summary of a run that is not at its end."""
    left.write_json("summary.json", summarise(state, evaluation_))


def summarise(state: RunState, evaluation_: Evaluation) -> dict:
    """Returns what summary.json says of a run, finished or not."""
    legs = [
        leg
        | {
            "steps": leg["last_step"] - leg["first_step"],
            # Of a leg of one loop there is none.
            "images_per_second": leg["images"] / leg["seconds"]
            if leg["seconds"]
            else None,
        }
        for leg in state.legs
    ]
    return {
        "finished": False,
        "score": None,
        # Whose weights, or their mean, the model has.
        "model_epochs": evaluation_.kept_epochs(state.history),
        "epochs": len(state.history),
        "step": state.step,
        "final_state_sha256": state.digest(),
        "legs": legs,
        "bad_steps": state.bad_steps,
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
    }
