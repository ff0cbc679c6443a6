"""Trains a multi-output classifier of handwritten graphemes.

  python trainer/main.py --data_dir=RECORDS --workdir=DIR --backup_dir=DRIVE

Run the same command again after a reset: it goes on from the last backup, on
whatever accelerator it finds, and ends where an uninterrupted run would have.
"""

import contextlib
import dataclasses
import functools
import pathlib

from absl import flags, logging

import storage
from flags import command, trainer_flags
from tfrecord_builder import dataset_info
from trainer import (
    augment,
    backup,
    backup_folder,
    bad_steps,
    cache,
    contact_sheet,
    distribution,
    dry_run,
    evaluation,
    extra,
    final,
    finish,
    heads,
    identity,
    input_pipeline,
    judge,
    losses,
    model,
    optimizers,
    order,
    plateau,
    preprocessing,
    profiler,
    run_state,
    schedule,
    step,
    train,
    warm_start,
    workdir,
)
from trainer import (
    limits as limits_lib,
)

FLAGS = flags.FLAGS


def main() -> int:
    info = dataset_info.read(FLAGS.data_dir)
    key_flags = FLAGS.get_key_flags_for_module(trainer_flags)
    who = identity.make(key_flags, free=trainer_flags.FREE, info=info)
    extra_info = None
    if FLAGS.extra_data_dir:
        extra_info = extra.read(FLAGS.extra_data_dir, like=info)
        who["extra_data_dir"] = extra_info.digest()
    weights = identity.output_weights(
        FLAGS.output_weights, info, strict=FLAGS["output_weights"].present
    )
    backup_dir = FLAGS.backup_dir or str(pathlib.Path(FLAGS.workdir, "backup"))
    # Only looks: what is refused is refused before anything is written.
    folder = backup_folder.BackupFolder(
        backup_dir,
        identity=who,
        local_dir=pathlib.Path(FLAGS.workdir, "staging"),
        settle_seconds=60.0 * FLAGS.backup_settle_minutes,
    )
    if not FLAGS.restart and not FLAGS.dry_run:
        folder.refuse_other_run()
        if final.restore_finished(
            backup_dir, pathlib.Path(FLAGS.workdir), identity=who
        ):
            return 0
    devices = distribution.choose(
        accelerator=FLAGS.accelerator,
        virtual_devices=FLAGS.virtual_devices,
        precision=FLAGS.precision,
    )
    logging.info("Devices: %s", devices.description)
    if devices.is_chief and not FLAGS.dry_run:
        folder.lease.refuse_if_held_here()
    stream, splits = make_data(info, extra_info, devices.replicas)
    cache_ = make_cache(info, splits)
    stream = dataclasses.replace(stream, fetch=cache_ and cache_.fetch)
    preprocess = preprocessing.Preprocessing(
        height=FLAGS.input_height or info.image.height,
        width=FLAGS.input_width or info.image.width,
        crop=FLAGS.crop,
    )
    core_args = {
        "backbone": FLAGS.backbone,
        "height": preprocess.height,
        "width": preprocess.width,
        "outputs": {o.name: len(o.classes) for o in info.outputs},
        "dropout": FLAGS.dropout,
        "pool": FLAGS.pool,
        "pool_per_output": FLAGS.pool_per_output,
        "graphemes": heads.make_graphemes(
            *filter(None, [info, extra_info]),
            blend=FLAGS.grapheme_blend,
            mean=FLAGS.grapheme_decoding == "mean",
        )
        if FLAGS.grapheme_head
        else None,
        "seed": FLAGS.seed,
    }
    with devices.strategy.scope():
        step_, state = make_step(
            stream, splits, core_args, preprocess, weights, devices
        )
    limits = limits_lib.Limits(minutes=FLAGS.max_minutes)
    left = workdir.Workdir(
        FLAGS.workdir,
        chief=devices.is_chief,
        sheet=contact_sheet.ContactSheet(
            stream, preprocess, step_.augmentation
        ),
    )
    folder.local_dir = left.path / "staging"
    backup_ = backup.BackupAndRestore(
        folder,
        state=state,
        every_seconds=FLAGS.backup_every_seconds,
        every_steps=FLAGS.backup_every_steps,
        restart=FLAGS.restart,
        chief=devices.is_chief,
    )
    profiler_ = profiler.Profiler(
        FLAGS.profile_steps, state=state, folder=left.path / "profile"
    )
    judge_args = {
        "preprocess": preprocess,
        "info": info,
        "data_dir": FLAGS.data_dir,
        "batch_size": FLAGS.global_batch_size,
        "fetch": cache_.fetch if cache_ else tuple,
    }
    training = train.Training(
        stream=stream,
        step=step_,
        state=state,
        evaluation=evaluation.Evaluation(
            judge.Judge(
                devices.strategy,
                model.decode(step_.ema_core, core_args["graphemes"]),
                **judge_args,
            ),
            splits=splits,
            output_weights=weights,
        ),
        epochs=FLAGS.epochs,
        limits=limits,
        steps_per_loop=FLAGS.steps_per_loop,
        parallel_calls=FLAGS.num_parallel_calls,
        stop_after=FLAGS.early_stopping_epochs,
        rate_factor=functools.partial(
            plateau.rate_factor,
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
            flagfile=identity.flagfile(key_flags),
            judged=training.evaluation.judged,
        ),
    )
    if FLAGS.dry_run:
        changed = [f for f in key_flags if f.value != f.default]
        dry_run.show(
            training,
            devices=devices.description,
            changed_flags=identity.flagfile(changed).split(),
        )
        return 0
    with limits, cache_ or contextlib.nullcontext(), backup_:
        try:
            callbacks = [backup_, profiler_, *make_warm_start(step_, state)]
            if training.run(callbacks, devices=devices.description):
                limits.stop_at_once()
                with devices.strategy.scope():
                    best = finish.build_best(state, core_args=core_args)
                finish.hand_over(
                    left,
                    state,
                    best,
                    judge.Judge(devices.strategy, best, **judge_args),
                    preprocess=preprocess,
                    splits=splits,
                    info=info,
                    output_weights=weights,
                )
                if devices.is_chief:
                    final.save(
                        backup_dir, left.path, identity=who, leg=state.leg
                    )
                return 0
        except bad_steps.BadStepError:
            left.write_json("summary.json", finish.summarise(state))
            raise
        except limits_lib.StopError:
            pass
        left.write_json("summary.json", finish.summarise(state))
        return limits.leave(
            state.step, training.total_steps, saved=backup_.is_saved
        )


def make_data(info, extra_info, replicas):
    """Returns the training stream, and the splits to judge by name."""
    distribution.check_batch(
        FLAGS.global_batch_size, replicas=replicas, mix_group=FLAGS.mix_group
    )
    folds = [split for split in info.splits if split.startswith("fold")]
    held_out = f"fold{FLAGS.validation_fold}"
    splits = {}
    if FLAGS.validation_fold >= 0:
        if held_out not in folds:
            raise storage.UserError(
                f"--validation_fold={FLAGS.validation_fold}: "
                f"{FLAGS.data_dir} has {', '.join(folds)}; -1 trains on all"
            )
        folds.remove(held_out)
        splits["validation"] = (held_out,)
    if "unseen" in info.splits:
        splits["unseen"] = ("unseen",)
    shards = [shard for fold in folds for shard in info.splits[fold].shards]
    more, batch_size = None, FLAGS.global_batch_size
    if extra_info:
        more = extra.make_stream(
            extra_info,
            FLAGS.extra_data_dir,
            batch_size=extra.share(batch_size, FLAGS.extra_fraction),
            window_mb=FLAGS.shuffle_window_mb,
            seed=FLAGS.seed,
        )
        batch_size -= more.batch_size
    stream = input_pipeline.TrainStream(
        info=info,
        paths=input_pipeline.shard_paths(info, FLAGS.data_dir, tuple(folds)),
        order=order.Order(
            [shard.records for shard in shards],
            batch_size=batch_size,
            shards_per_window=input_pipeline.shards_per_window(
                shards, window_mb=FLAGS.shuffle_window_mb
            ),
            seed=FLAGS.seed,
        ),
        draws=augment.NUM_DRAWS,
        extra=more,
    )
    return stream, splits


def make_cache(info, splits):
    """Returns the cache of the records that are read, None without one."""
    if not FLAGS.cache_dir or FLAGS.dry_run:
        return None
    judged = [name for names in splits.values() for name in names]
    trained = [name for name in info.splits if name not in judged]
    return cache.ShardCache(
        info,
        data_dir=FLAGS.data_dir,
        cache_dir=FLAGS.cache_dir,
        splits=(*trained, *judged),
    )


def make_step(stream, splits, core_args, preprocess, weights, devices):
    """Returns the train step and the state of the run at step 0."""
    policy = devices.precision
    core, ema_core = (
        model.build_core(**core_args, policy=policy, fused=True)
        for _ in range(2)
    )
    spe = stream.order.steps_per_epoch
    step_ = step.Step(
        strategy=devices.strategy,
        core=core,
        ema_core=ema_core,
        optimizer=optimizers.make(
            FLAGS.optimizer, core, weight_decay=FLAGS.weight_decay
        ),
        preprocess=preprocess,
        schedule=schedule.WarmupCosine(
            peak=FLAGS.learning_rate,
            steps=FLAGS.epochs * spe,
            warmup_steps=int(FLAGS.warmup_epochs * spe),
        ),
        augmentation=make_augmentation(spe),
        loss=make_loss(stream.info, splits, weights),
        graphemes=core_args["graphemes"],
        ema_decay=FLAGS.ema_decay,
        batch_size=FLAGS.global_batch_size,
        parts=step.count_parts(
            FLAGS.global_batch_size // devices.replicas,
            limit=FLAGS.max_per_replica_batch,
            mix_group=FLAGS.mix_group,
        ),
        max_loss=FLAGS.max_loss or float("inf"),
        xla=FLAGS.xla,
        loss_scale=step.make_loss_scale(policy),
    )
    return step_, run_state.RunState(step_.variables())


def make_warm_start(step_, state):
    """Returns the callback that gives the run its weights, if there is one."""
    core = step_.core
    if FLAGS.initial_weights:
        read = functools.partial(warm_start.read_model, FLAGS.initial_weights)
    elif FLAGS.pretrained:
        read = functools.partial(
            warm_start.read_pretrained, FLAGS.backbone, core
        )
    else:
        return []
    nets = (core, step_.ema_core)
    return [warm_start.WarmStart(nets, state=state, read=read)]


def make_loss(info, splits, weights):
    """Returns the loss of an example, by the classes' counts in the folds."""
    folds = set(info.folds) - set(splits.get("validation", ()))
    counts = info.class_counts(folds)
    return losses.Loss(
        output_weights=weights | {heads.GRAPHEME: FLAGS.grapheme_head},
        label_smoothing=FLAGS.label_smoothing,
        class_weights={
            name: losses.class_weights(of_classes, FLAGS.class_balance)
            for name, of_classes in counts.items()
        },
        adjustments={
            name: losses.log_priors(of_classes, FLAGS.logit_adjustment)
            for name, of_classes in counts.items()
        },
        focal_gamma=FLAGS.focal_gamma,
        hardest=FLAGS.hardest_examples,
        group=FLAGS.mix_group,
    )


def make_augmentation(steps_per_epoch):
    """Returns the augmentation that the flags of its fields' names ask for."""
    mix_epochs = max(0, FLAGS.epochs - FLAGS.cooldown_epochs)
    strengths = {
        field.name: FLAGS[field.name].value
        for field in dataclasses.fields(augment.Augmentation)
        if field.name != "mix_steps"
    }
    return augment.Augmentation(
        **strengths, mix_steps=int(mix_epochs * steps_per_epoch)
    )


def run() -> None:
    """Runs the command; never returns."""
    command.run(main, trainer_flags, user_errors=(storage.UserError,))


if __name__ == "__main__":
    run()
