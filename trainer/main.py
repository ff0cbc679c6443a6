"""Trains a multi-output classifier of handwritten graphemes.

  python trainer/main.py --data_dir=RECORDS --workdir=DIR --backup_dir=DRIVE

Run the same command again after a reset: it goes on from the last backup, on
whatever accelerator it finds, and ends where an uninterrupted run would have.
"""

import contextlib
import dataclasses
import functools
import pathlib
import sys

from absl import flags, logging

from console import command
from flags.trainer import main_flags
from storage import UserError
from trainer.augmentation.augment import Augmentation
from trainer.backup import finished_run, identity
from trainer.backup.backup_folder import BackupFolder
from trainer.backup.callback import BackupAndRestore
from trainer.evaluation.epoch_evaluation import Evaluation
from trainer.evaluation.split_predictor import Judge
from trainer.models import network
from trainer.outputs import trained_model
from trainer.outputs.contact_sheet import ContactSheet
from trainer.outputs.workdir import Workdir
from trainer.runtime import devices
from trainer.runtime.limits import Limits, StopError
from trainer.runtime.profiler import Profiler
from trainer.stream import training_data
from trainer.training import dry_run, early_stopping
from trainer.training.bad_steps import BadStepError
from trainer.training.loop import Training
from trainer.training.recipe import Recipe

FLAGS = flags.FLAGS


def main() -> int:
    data = training_data.read(
        FLAGS.data_dir,
        validation_fold=FLAGS.validation_fold,
        extra_dir=FLAGS.extra_data_dir,
    )
    weights = identity.output_weights(
        FLAGS.output_weights, data.info, strict=FLAGS["output_weights"].present
    )
    # Only looks: what is refused is refused before anything is written.
    folder = make_backup_folder(data)
    if not FLAGS.restart and not FLAGS.dry_run:
        folder.refuse_other_run()
        if finished_run.restore_finished(
            folder.url,
            pathlib.Path(FLAGS.workdir),
            identity=folder.identity,
            defaults=folder.defaults,
        ):
            return 0
    devices = choose_devices()
    if devices.is_chief and not FLAGS.dry_run:
        folder.lease.refuse_if_held_here()
    cache = None
    if FLAGS.cache_dir and not FLAGS.dry_run:
        cache = data.make_cache(FLAGS.cache_dir)
    stream = data.make_stream(
        batch_size=FLAGS.global_batch_size,
        window_mb=FLAGS.shuffle_window_mb,
        seed=FLAGS.seed,
        extra_fraction=FLAGS.extra_fraction,
        fetch=cache and cache.fetch,
    )
    recipe_ = from_flags(Recipe, augmentation=from_flags(Augmentation))
    step, state = recipe_.make_step(
        stream, data, devices=devices, output_weights=weights
    )
    make_judge = functools.partial(
        Judge,
        devices.strategy,
        preprocess=step.preprocess,
        info=data.info,
        data_dir=FLAGS.data_dir,
        batch_size=FLAGS.global_batch_size,
        fetch=cache.fetch if cache else tuple,
    )
    evaluation_ = Evaluation(
        make_judge(network.decode(step.ema_core, step.graphemes)),
        splits=data.judged,
        output_weights=weights,
        mean_after=max(0, FLAGS.epochs - FLAGS.average_epochs),
    )
    left = Workdir(
        FLAGS.workdir,
        chief=devices.is_chief,
        sheet=ContactSheet(stream, step.preprocess, step.augmentation),
    )
    folder.local_dir = left.path / "staging"
    backup_ = make_backup(folder, state, devices)
    profiler_ = Profiler(
        FLAGS.profile_steps, state=state, folder=left.path / "profile"
    )
    training = make_training(
        stream, step, state, evaluation_, devices, left, backup_, profiler_
    )
    if FLAGS.dry_run:
        changed = [flag for flag in key_flags() if flag.value != flag.default]
        dry_run.show(
            training,
            devices=devices.description,
            presets=command.flagfiles(sys.argv),
            changed_flags=identity.flagfile(changed).split(),
        )
        return 0
    callbacks = [backup_, profiler_, *recipe_.make_warm_start(step, state)]
    with training.limits, cache or contextlib.nullcontext(), backup_:
        try:
            if training.run(callbacks, devices=devices.description):
                training.limits.stop_at_once()
                with devices.strategy.scope():
                    best = trained_model.build_best(
                        state, core_args=recipe_.core_args(data)
                    )
                trained_model.hand_over(
                    left,
                    state,
                    best,
                    make_judge(best),
                    evaluation_,
                    preprocess=step.preprocess,
                    info=data.info,
                )
                if devices.is_chief:
                    finished_run.save(
                        folder.url,
                        left.path,
                        identity=folder.identity,
                        leg=state.leg,
                    )
                return 0
        except BadStepError:
            trained_model.write_summary(left, state, evaluation_)
            raise
        except StopError:
            pass
        trained_model.write_summary(left, state, evaluation_)
        return training.limits.leave(
            state.step, training.total_steps, saved=backup_.is_saved
        )


def key_flags():
    return FLAGS.get_key_flags_for_module(main_flags)


def from_flags(kind, **given):
    """Returns a dataclass: fields not given are the flags of their names."""
    names = {field.name for field in dataclasses.fields(kind)}
    values = {n: FLAGS[n].value for n in names - given.keys() if n in FLAGS}
    return kind(**values, **given)


def make_backup_folder(data):
    """Returns where the run is backed up to."""
    return BackupFolder(
        FLAGS.backup_dir or str(pathlib.Path(FLAGS.workdir, "backup")),
        identity=identity.make(key_flags(), free=main_flags.FREE, data=data),
        local_dir=pathlib.Path(FLAGS.workdir, "staging"),
        settle_seconds=60.0 * FLAGS.backup_settle_minutes,
        defaults=identity.defaults(
            key_flags(), free=main_flags.FREE, before=main_flags.BEFORE
        ),
    )


def make_backup(folder, state, devices):
    """Returns the callback that backs the run up."""
    return BackupAndRestore(
        folder,
        state=state,
        every_seconds=FLAGS.backup_every_seconds,
        every_steps=FLAGS.backup_every_steps,
        restart=FLAGS.restart,
        chief=devices.is_chief,
    )


def choose_devices():
    """Returns what the run computes on, which can share a batch."""
    chosen = devices.choose(
        accelerator=FLAGS.accelerator,
        virtual_devices=FLAGS.virtual_devices,
        precision=FLAGS.precision,
    )
    logging.info("Devices: %s", chosen.description)
    devices.check_batch(
        FLAGS.global_batch_size,
        replicas=chosen.replicas,
        mix_group=FLAGS.mix_group,
    )
    return chosen


def make_training(
    stream, step, state, evaluation_, devices, left, backup_, profiler_
):
    """Returns the loop over the steps and epochs of the run."""
    return Training(
        stream=stream,
        step=step,
        state=state,
        evaluation=evaluation_,
        epochs=FLAGS.epochs,
        limits=Limits(minutes=FLAGS.max_minutes),
        steps_per_loop=FLAGS.steps_per_loop,
        parallel_calls=FLAGS.num_parallel_calls,
        stop_after=FLAGS.early_stopping_epochs,
        rate_factor=functools.partial(
            early_stopping.rate_factor,
            patience=FLAGS.plateau_epochs,
            factor=FLAGS.plateau_factor,
        ),
        cut_every=FLAGS.backup_every_steps,
        cut_at=profiler_.cuts,
        memory_mb=devices.memory_mb,
        reserve_seconds=lambda: backup_.reserve_seconds,
        go_back=backup_.restore if FLAGS.on_nan == "rollback" else None,
        show=lambda: left.show(
            state,
            flagfile=identity.flagfile(key_flags()),
            judged=evaluation_.judged,
        ),
    )


def run() -> None:
    """Runs the command; never returns."""
    command.run(main, main_flags, user_errors=(UserError,))


if __name__ == "__main__":
    run()
