"""Trains a multi-output classifier of handwritten graphemes.

  python trainer/main.py --data_dir=RECORDS --workdir=DIR --backup_dir=DRIVE

After a reset run the same command again: it resumes from the last backup, on
any accelerator, and ends with the result of an uninterrupted run.
"""

from absl import flags

from console import command
from flags.trainer import main_flags

if __name__ == "__main__":
    # Parses the flags: --help and mistakes do not wait for the imports.
    command.begin(main_flags, importing="TensorFlow")

import contextlib
import functools
import pathlib
import sys
from collections.abc import Callable

from absl import logging

from storage import UserError
from trainer.augmentation.augment import Augmentation
from trainer.backup import finished_run, identity
from trainer.backup.backup_and_restore import BackupAndRestore
from trainer.backup.backup_folder import BackupFolder
from trainer.evaluation import output_weights
from trainer.evaluation.epoch_evaluation import EpochEvaluation
from trainer.evaluation.split_predictor import SplitPredictor
from trainer.models import network
from trainer.outputs import trained_model, workdir
from trainer.outputs.contact_sheet import ContactSheet
from trainer.outputs.workdir import Workdir
from trainer.runtime import devices, workdir_lock, workers
from trainer.runtime.devices import Devices
from trainer.runtime.limits import Limits, StopError
from trainer.runtime.profiler import Profiler
from trainer.runtime.run_state import RunState
from trainer.runtime.workers import Workers
from trainer.stream import training_data
from trainer.stream.shard_cache import ShardCache
from trainer.stream.training_data import TrainingData
from trainer.training import dry_run
from trainer.training.loop import TrainingLoop
from trainer.training.recipe import Recipe
from trainer.training.train_step import TrainStep

FLAGS = flags.FLAGS


def main() -> int:
    """Trains a run, or continues it; returns the exit code."""
    data = command.with_flags(training_data.read)
    path = workdir.local_path(FLAGS.workdir, chief=workers.is_chief())
    folder = open_backup(data, path)
    if is_finished(folder):
        return 0
    used = choose_devices()
    cache = None if FLAGS.dry_run else data.make_cache(FLAGS.cache_dir)
    stream = command.with_flags(data.make_stream, cache=cache)
    recipe = command.with_flags(
        Recipe,
        augmentation=command.with_flags(Augmentation),
        output_weights=weigh_outputs(data),
    )
    step, state = recipe.make_step(stream, data, devices=used)
    predictor = make_predictor(step, data, cache)
    evaluation = make_evaluation(predictor, step, recipe, data)
    loop = command.with_flags(
        TrainingLoop,
        stream=stream,
        step=step,
        state=state,
        evaluation=evaluation,
        backup=make_backup(folder, step, state),
        profiler=make_profiler(state, path),
        devices=used,
        limits=command.with_flags(Limits),
        settings={name: FLAGS[name].value for name in main_flags.NOTED},
    )
    if FLAGS.dry_run:
        return describe(loop)
    files = make_workdir(path, loop)
    lock = workdir_lock.hold(path)
    with lock, cache or contextlib.nullcontext(), loop.backup:
        # A signal may still end the wait for the last save, after `limits`.
        with contextlib.suppress(StopError), loop.limits:
            if loop.run([*recipe.make_warm_start(step, state), files]):
                loop.limits.stop_at_once()
                best = recipe.build_best(state, data, devices=used)
                finish(files, predictor(best), folder)
                return 0
        files.write_summary()
        return loop.leave()


def key_flags() -> list[flags.Flag]:
    """Returns the flags of this command."""
    return FLAGS.get_key_flags_for_module(main_flags)


def open_backup(data: TrainingData, path: pathlib.Path) -> BackupFolder:
    """Returns the backup folder of the run; writes nothing to it."""
    return BackupFolder(
        FLAGS.backup_dir or str(pathlib.Path(FLAGS.workdir, "backup")),
        identity=identity.make(
            key_flags(),
            free=main_flags.FREE,
            removed=main_flags.REMOVED,
            data=data,
        ),
        local_dir=path / "staging",
        settle_seconds=60.0 * FLAGS.backup_settle_minutes,
        defaults=identity.defaults(
            key_flags(), free=main_flags.FREE, before=main_flags.BEFORE
        ),
    )


def is_finished(folder: BackupFolder) -> bool:
    """Returns whether the run is finished; if so, restores its workdir.

    Raises:
        UserError: The folder holds another run, or is in use.
    """
    if FLAGS.dry_run:
        return False
    chief = workers.is_chief()
    if not FLAGS.restart:
        folder.refuse_other_run()
        if finished_run.restore_finished(
            folder.url,
            pathlib.Path(FLAGS.workdir) if chief else None,
            identity=folder.identity,
            defaults=folder.defaults,
        ):
            return True
    if chief:
        folder.lease.refuse_if_held_here()
    return False


def choose_devices() -> Devices:
    """Returns the devices of the run; they can share a batch evenly."""
    chosen = command.with_flags(devices.choose)
    logging.info("Devices: %s", chosen.description)
    command.with_flags(chosen.check_batch)
    return chosen


def weigh_outputs(data: TrainingData) -> dict[str, float]:
    """Returns each output's weight in the score and the loss."""
    return output_weights.parse(
        FLAGS.output_weights,
        data.info,
        strict=bool(FLAGS["output_weights"].present),
    )


def make_predictor(
    step: TrainStep, data: TrainingData, cache: ShardCache | None
) -> Callable[..., SplitPredictor]:
    """Returns a function that makes the SplitPredictor of a net."""
    return functools.partial(
        SplitPredictor,
        step.strategy,
        preprocess=step.preprocess,
        info=data.info,
        data_dir=data.data_dir,
        batch_size=FLAGS.global_batch_size,
        fetch=cache.fetch if cache else tuple,
    )


def make_evaluation(
    predictor: Callable[..., SplitPredictor],
    step: TrainStep,
    recipe: Recipe,
    data: TrainingData,
) -> EpochEvaluation:
    """Returns the evaluation of the moving average of the weights."""
    return command.with_flags(
        EpochEvaluation,
        predictor=predictor(network.decode(step.ema_core, step.graphemes)),
        splits=data.evaluated,
        output_weights=recipe.output_weights,
    )


def make_backup(
    folder: BackupFolder, step: TrainStep, state: RunState
) -> BackupAndRestore:
    """Returns the callback that saves the backups of the run."""
    return command.with_flags(
        BackupAndRestore,
        folder=folder,
        state=state,
        chief=workers.is_chief(),
        workers=Workers(step.strategy),
    )


def make_profiler(state: RunState, path: pathlib.Path) -> Profiler:
    """Returns the callback of --profile_steps."""
    return command.with_flags(Profiler, state=state, folder=path / "profile")


def make_workdir(path: pathlib.Path, loop: TrainingLoop) -> Workdir:
    """Returns the callback that writes the results to the workdir."""
    step = loop.step
    return Workdir(
        path,
        state=loop.state,
        evaluation=loop.evaluation,
        flagfile=identity.flagfile(key_flags()),
        sheet=ContactSheet(loop.stream, step.preprocess, step.augmentation),
    )


def finish(
    files: Workdir, predictor: SplitPredictor, folder: BackupFolder
) -> None:
    """Writes the trained model, and copies the results to the backup folder.

    Args:
        files: The workdir of the run.
        predictor: Predicts with the best weights.
        folder: The backup folder of the run.
    """
    chief = workers.is_chief()
    trained_model.write(files, predictor, report=chief)
    if chief:
        finished_run.save(
            folder.url,
            files.path,
            identity=folder.identity,
            leg=files.state.leg,
            check=folder.check,
        )


def describe(loop: TrainingLoop) -> int:
    """Prints a description of the run (--dry_run); returns the exit code."""
    changed = [flag for flag in key_flags() if flag.value != flag.default]
    dry_run.show(
        loop,
        presets=command.flagfiles(sys.argv),
        changed_flags=identity.flagfile(changed).split(),
    )
    return 0


def run() -> None:
    """Runs the command; never returns."""
    command.run(main, main_flags, user_errors=(UserError,))


if __name__ == "__main__":
    run()
