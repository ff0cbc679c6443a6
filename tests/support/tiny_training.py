"""A train step on tiny records, for tests of the step and the loop."""

import dataclasses

import cores
import tensorflow as tf

from tfrecord_builder.records import dataset_info
from trainer.augmentation import augment
from trainer.augmentation.augment import Augmentation
from trainer.models import heads, training_layers
from trainer.models.preprocessing import Preprocessing
from trainer.runtime.run_state import RunState
from trainer.stream import input_pipeline
from trainer.stream.input_pipeline import TrainStream
from trainer.stream.order import Order
from trainer.training import compiled_loop, loss_scale, optimizers
from trainer.training.losses import Loss
from trainer.training.out_of_memory import StepRecord
from trainer.training.schedule import WarmupCosine
from trainer.training.train_step import TrainStep


@dataclasses.dataclass
class Tiny:
    step: TrainStep
    stream: TrainStream
    state: RunState


def make(
    records,
    *,
    strategy=None,
    backbone="small",
    batch_size=8,
    dropout=0.2,
    policy="float32",
    steps=20,
    rate=None,
    peak=1e-2,
    xla=False,
    compile_augmentation=False,
    size=None,
    graphemes=None,
    norm_group=0,
    parts=1,
) -> Tiny:
    """Returns a step over fold1 and fold2, as main puts one together."""
    strategy = strategy or tf.distribute.get_strategy()
    info = dataset_info.read(records)
    folds = ("fold1", "fold2")
    shards = [s for fold in folds for s in info.splits[fold].shards]
    stream = TrainStream(
        info=info,
        paths=input_pipeline.shard_paths(info, str(records), folds),
        order=Order(
            [s.records for s in shards],
            batch_size=batch_size,
            shards_per_window=2,
            seed=1,
        ),
        draws=augment.NUM_DRAWS,
    )
    height, width = size or (info.image.height, info.image.width)
    outputs = {o.name: len(o.classes) for o in info.outputs}
    with strategy.scope():
        core, ema_core = (
            cores.build(
                backbone,
                outputs,
                height=height,
                width=width,
                dropout=dropout,
                graphemes=graphemes,
                policy=policy,
            )
            for _ in range(2)
        )
        training_layers.use(
            core, norm_group=norm_group, seed=0, cpu_bfloat16=False
        )
        made = TrainStep(
            strategy=strategy,
            core=core,
            ema_core=ema_core,
            optimizer=optimizers.make("muon", core, weight_decay=0.01),
            preprocess=Preprocessing(height, width, crop=True),
            schedule=rate
            or WarmupCosine(peak=peak, steps=steps, warmup_steps=2),
            augmentation=Augmentation(
                rotation=8.0,
                scale=0.12,
                shift=0.06,
                shear=0.15,
                cutmix=0.5,
                mix_group=2,
            ),
            loss=Loss(dict.fromkeys([*outputs, heads.GRAPHEME], 1.0)),
            ema_decay=0.9,
            batch_size=batch_size,
            parts=parts,
            norm_group=norm_group,
            graphemes=graphemes,
            max_loss=float("inf"),
            xla=xla,
            compile_augmentation=compile_augmentation,
            loss_scale=loss_scale.make(policy),
        )
    return Tiny(
        made,
        stream,
        RunState(
            made.variables(), steps_per_epoch=stream.order.steps_per_epoch
        ),
    )


def trace(tiny: Tiny) -> tf.Graph:
    """Returns the graph of the compiled loop; no step is taken."""

    def dataset(context):
        return tiny.stream.dataset(0, 4, replicas=context.num_replicas_in_sync)

    strategy = tiny.step.strategy
    loop = compiled_loop.make(tiny.step, StepRecord())
    return loop.get_concrete_function(
        iter(strategy.distribute_datasets_from_function(dataset)),
        tf.constant(0, tf.int64),
        tf.constant(1),
    ).graph


def take(tiny: Tiny, counts, *, first_step=0, change=None):
    """Takes loops of `counts` steps; returns losses and finite flags.

    Args:
        tiny: What make() returned.
        counts: Steps of each loop.
        first_step: Where to start.
        change: Maps the dataset, to plant something into it.
    """
    strategy = tiny.step.strategy
    last = first_step + sum(counts)

    def dataset(context):
        found = tiny.stream.dataset(
            first_step, last, replicas=context.num_replicas_in_sync
        )
        return change(found) if change else found

    iterator = iter(strategy.distribute_datasets_from_function(dataset))
    loop = compiled_loop.make(tiny.step, StepRecord())
    losses, finite, at = [], [], first_step
    for count in counts:
        new_losses, new_finite, _ = loop(
            iterator, tf.constant(at, tf.int64), tf.constant(count)
        )
        losses += new_losses.numpy().tolist()
        finite += new_finite.numpy().tolist()
        at += count
    return losses, finite
