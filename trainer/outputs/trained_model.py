"""The end of a run: the calibrated model, its scores, card and report."""

from absl import logging

from console.progress import Progress
from tfrecord_builder.records.dataset_info import DatasetInfo
from trainer.evaluation import calibrate, metrics
from trainer.evaluation.split_predictor import SplitPredictor
from trainer.models import model_file, network
from trainer.outputs import model_card
from trainer.outputs.report import page
from trainer.outputs.report.run_files import ScoredSplit
from trainer.outputs.workdir import Workdir


def write(workdir: Workdir, predictor: SplitPredictor, *, report: bool) -> None:
    """Writes model.keras, summary.json, README.md and report.html at the end.

    Args:
        workdir: The workdir to write to. Its evaluation chose the weights; the
            same splits are scored.
        predictor: Predicts with the net with these weights, in float32.
        report: Whether to write the report.
    """
    info, splits = predictor.info, workdir.evaluation.splits
    output_weights = dict(workdir.evaluation.output_weights)
    with Progress("evaluating", total=workdir.evaluation.images) as progress:
        predictions = {
            name: predictor(names, on_batch=progress.advance)
            for name, names in splits.items()
        }
    calibration, fitted = _calibrate(
        predictions, info, held_out=splits.get("validation", ())
    )
    if fitted:
        fitted["score"] = metrics.score(fitted["recall"], output_weights)
    scores = {
        name: metrics.evaluate_calibrated(
            labels, logits, calibration, output_weights
        )
        for name, (labels, logits) in predictions.items()
    }
    _write_model(workdir, predictor, calibration, output_weights)
    workdir.write_summary(
        **{
            "finished": True,
            "judged": scores,
            "calibration": fitted,
            "parameters": predictor.net.count_params(),
        }
        | scores.get("validation", {}),
    )
    model_card.write(workdir.path)
    for name, figures in scores.items():
        _log_score(name, figures)
    if report:
        scored = {
            name: ScoredSplit(splits[name], labels, logits, calibration)
            for name, (labels, logits) in predictions.items()
        }
        _write_report(workdir, predictor, scored)


def _calibrate(
    predictions: dict[str, tuple[dict, dict]],
    info: DatasetInfo,
    *,
    held_out: tuple[str, ...],
) -> tuple[dict[str, list[float]], dict | None]:
    """Fits the calibration on the held-out examples.

    Args:
        predictions: By name ("validation", "unseen"), labels and logits.
        info: The dataset.
        held_out: The folds that were not trained on.

    Returns:
        For each output, numbers to add to its logits, 0 if nothing was held
        out; the report of calibrate.fit, None if nothing was held out.
    """
    if not held_out:
        return {o.name: [0.0] * len(o.classes) for o in info.outputs}, None
    return calibrate.fit(
        # The validation fold, and the unseen graphemes if there are any.
        list(predictions.values()),
        info.class_counts(set(info.folds) - set(held_out)),
    )


def _write_model(
    workdir: Workdir,
    predictor: SplitPredictor,
    calibration: dict[str, list[float]],
    output_weights: dict[str, float],
) -> None:
    """Writes model.keras: preprocessing, net, calibration, and its card."""
    info = predictor.info
    served = network.build_served(
        predictor.net,
        preprocess=predictor.preprocess,
        image_shape=(info.image.height, info.image.width),
        calibration=calibration,
    )
    card = model_file.make_card(
        info, output_weights=output_weights, calibration=calibration
    )
    path = workdir.path / "model.keras"
    model_file.write(path, served, card)
    logging.info("Wrote %s", path)


def _log_score(name: str, figures: dict) -> None:
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


def _write_report(
    workdir: Workdir, predictor: SplitPredictor, scored: dict[str, ScoredSplit]
) -> None:
    try:
        path = page.write(
            workdir.path,
            scored=scored,
            output_weights=dict(workdir.evaluation.output_weights),
            info=predictor.info,
            data_dir=predictor.data_dir,
        )
        logging.info("Wrote %s", path)
    except Exception as error:  # The run is complete even without a report.
        logging.error(
            "No report.html: %s: %s. trainer/report.py --workdir=%s makes it",
            type(error).__name__,
            error,
            workdir.path,
        )
