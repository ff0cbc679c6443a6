"""The end of a run: model.keras, its scores, and the report."""

from absl import logging

from console.progress import Progress
from trainer.evaluation import calibrate, metrics
from trainer.evaluation.split_predictor import SplitPredictor
from trainer.models import model_file, network
from trainer.outputs.report import page
from trainer.outputs.report.run_files import ScoredSplit
from trainer.outputs.workdir import Workdir


def write(workdir: Workdir, predictor: SplitPredictor, *, report: bool) -> None:
    """Writes model.keras, summary.json and report.html of a run at its end.

    Args:
        workdir: Where to; its evaluation chose the weights, and the same
            splits are scored.
        predictor: Predicts with the net that has these weights, in float32.
        report: Whether to write the report.
    """
    evaluation, info = workdir.evaluation, predictor.info
    splits = evaluation.splits
    output_weights = dict(evaluation.output_weights)
    with Progress("evaluating", total=evaluation.images) as progress:
        predictions = {
            name: predictor(names, on_batch=progress.advance)
            for name, names in splits.items()
        }
    calibration = {o.name: [0.0] * len(o.classes) for o in info.outputs}
    fitted = None
    if "validation" in predictions:
        calibration, fitted = calibrate.fit(
            # The validation fold, and where there are any unseen graphemes.
            list(predictions.values()),
            info.class_counts(set(info.folds) - set(splits["validation"])),
        )
        fitted["score"] = metrics.score(fitted["recall"], output_weights)
    scores = {
        name: metrics.evaluate_calibrated(
            labels, logits, calibration, output_weights
        )
        for name, (labels, logits) in predictions.items()
    }
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
    workdir.write_summary(
        **{
            "finished": True,
            "judged": scores,
            "calibration": fitted,
            "parameters": predictor.net.count_params(),
        }
        | scores.get("validation", {}),
    )
    for name, figures in scores.items():
        _log_score(name, figures)
    logging.info("Wrote %s, and summary.json beside it", path)
    if report:
        scored = {
            name: ScoredSplit(splits[name], labels, logits, calibration)
            for name, (labels, logits) in predictions.items()
        }
        _write_report(workdir, predictor, scored)


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
    except Exception as error:  # The run is complete, whatever failed here.
        logging.error(
            "No report.html: %s: %s. trainer/report.py --workdir=%s makes it",
            type(error).__name__,
            error,
            workdir.path,
        )
