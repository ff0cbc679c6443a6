"""How a run trains: its net, its loss, its augmentation and its step.

recipe = Recipe(backbone="small", epochs=20, …)      the flags, by name
step, state = recipe.make_step(stream, data, devices=…)
"""

import dataclasses
import functools

import keras

from console.progress import Progress
from trainer.augmentation import sampling
from trainer.augmentation.augment import Augmentation
from trainer.models import (
    heads,
    initial_weights,
    network,
    safe_config,
    training_layers,
)
from trainer.models.preprocessing import Preprocessing
from trainer.runtime import named_variables
from trainer.runtime.devices import Devices
from trainer.runtime.run_state import RunState
from trainer.stream.input_pipeline import TrainStream
from trainer.stream.training_data import TrainingData
from trainer.training import (
    loss_scale,
    losses,
    optimizers,
    parts,
)
from trainer.training.losses import Loss
from trainer.training.schedule import WarmupCosine
from trainer.training.train_step import TrainStep
from trainer.training.warm_start import WarmStart


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """The flags of trainer/main.py with the names of the fields.

    output_weights is parsed: the weight of each output in the score and the
    loss, by name.
    """

    seed: int
    # The net.
    backbone: str
    initial_weights: str | None
    pretrained: bool
    input_height: int
    input_width: int
    crop: bool
    dropout: float
    pool: str
    pool_per_output: bool
    grapheme_head: float
    # The step.
    epochs: int
    global_batch_size: int
    norm_group: int
    optimizer: str
    learning_rate: float
    warmup_epochs: float
    weight_decay: float
    ema_decay: float
    max_loss: float
    max_per_replica_batch: int
    xla: bool | None
    # The loss.
    output_weights: dict[str, float]
    label_smoothing: float
    class_balance: float
    logit_adjustment: float
    focal_gamma: float
    hardest_examples: float
    mix_group: int
    # make_step sets its mix_steps (see cooldown_epochs) and its sampler.
    augmentation: Augmentation
    cooldown_epochs: float

    def make_preprocessing(self, data: TrainingData) -> Preprocessing:
        """Returns the preprocessing of the net's input."""
        return Preprocessing(
            height=self.input_height or data.info.image.height,
            width=self.input_width or data.info.image.width,
            crop=self.crop,
            background=data.info.image.background,
        )

    def core_args(self, data: TrainingData) -> dict:
        """Returns the arguments of network.build_core."""
        preprocess = self.make_preprocessing(data)
        graphemes = None
        if self.grapheme_head:
            graphemes = heads.make_graphemes(*data.infos)
        return {
            "backbone": self.backbone,
            "height": preprocess.height,
            "width": preprocess.width,
            "outputs": {o.name: len(o.classes) for o in data.info.outputs},
            "dropout": self.dropout,
            "pool": self.pool,
            "pool_per_output": self.pool_per_output,
            "graphemes": graphemes,
            "seed": self.seed,
        }

    def make_step(
        self,
        stream: TrainStream,
        data: TrainingData,
        *,
        devices: Devices,
    ) -> tuple[TrainStep, RunState]:
        """Returns the train step and the state of the run at step 0.

        Args:
            stream: The training examples.
            data: The datasets of the stream.
            devices: The devices that compute the step.
        """
        core_args = self.core_args(data)
        spe = stream.order.steps_per_epoch
        with Progress("building the model"), devices.strategy.scope():
            core, ema_core = (
                network.build_core(**core_args, policy=devices.precision)
                for _ in range(2)
            )
            safe_config.check_net(core)
            training_layers.use(
                core,
                norm_group=self.norm_group,
                seed=self.seed,
                cpu_bfloat16=(devices.kind, devices.precision)
                == ("cpu", "mixed_bfloat16"),
            )
            step = TrainStep(
                strategy=devices.strategy,
                core=core,
                ema_core=ema_core,
                optimizer=optimizers.make(
                    self.optimizer, core, weight_decay=self.weight_decay
                ),
                preprocess=self.make_preprocessing(data),
                schedule=WarmupCosine(
                    peak=self.learning_rate,
                    steps=self.epochs * spe,
                    warmup_steps=int(self.warmup_epochs * spe),
                ),
                augmentation=self._augmentation(spe, kind=devices.kind),
                loss=self._loss(data),
                graphemes=core_args["graphemes"],
                ema_decay=self.ema_decay,
                batch_size=self.global_batch_size,
                parts=parts.count(
                    self.global_batch_size // devices.replicas,
                    limit=self.max_per_replica_batch,
                    mix_group=self.mix_group,
                    norm_group=self.norm_group,
                ),
                norm_group=self.norm_group,
                max_loss=self.max_loss or float("inf"),
                xla=uses_xla(self.xla, kind=devices.kind),
                compile_augmentation=devices.kind == "cpu",
                loss_scale=loss_scale.make(devices.precision),
            )
        return step, RunState(step.variables(), steps_per_epoch=spe)

    def build_best(
        self, state: RunState, data: TrainingData, *, devices: Devices
    ) -> keras.Model:
        """Builds the net, in float32, with the best weights of the run."""
        core_args = self.core_args(data)
        with Progress("building the best model"), devices.strategy.scope():
            core = network.build_core(**core_args)
            named = named_variables.name_variables("ema", core.weights)
            for name, variable in named.items():
                variable.assign(state.best[name])
            return network.decode(core, core_args["graphemes"])

    def _augmentation(self, steps_per_epoch: int, *, kind: str) -> Augmentation:
        mix_epochs = max(0, self.epochs - self.cooldown_epochs)
        return dataclasses.replace(
            self.augmentation,
            mix_steps=int(mix_epochs * steps_per_epoch),
            sampler=sampling.choose(kind),
        )

    def _loss(self, data: TrainingData) -> Loss:
        """Returns the loss; it uses the number of examples of each class."""
        counts = data.info.class_counts(data.folds)
        return Loss(
            output_weights=self.output_weights
            | {heads.GRAPHEME: self.grapheme_head},
            label_smoothing=self.label_smoothing,
            class_weights={
                name: losses.class_weights(of_classes, self.class_balance)
                for name, of_classes in counts.items()
                if self.class_balance
            },
            adjustments={
                name: losses.log_priors(of_classes, self.logit_adjustment)
                for name, of_classes in counts.items()
                if self.logit_adjustment
            },
            focal_gamma=self.focal_gamma,
            hardest=self.hardest_examples,
            group=self.mix_group,
        )

    def make_warm_start(
        self, step: TrainStep, state: RunState
    ) -> list[WarmStart]:
        """Returns the callback that sets initial weights, if flags name any."""
        core = step.core
        if self.initial_weights:
            read = functools.partial(
                initial_weights.read_model, self.initial_weights
            )
        elif self.pretrained:
            read = functools.partial(
                initial_weights.read_pretrained, self.backbone, core
            )
        else:
            return []
        nets = (core, step.ema_core)
        return [WarmStart(nets, state=state, read=read)]


def uses_xla(xla: bool | None, *, kind: str) -> bool:
    """Returns whether XLA compiles the gradients.

    Args:
        xla: The value of --xla; None (auto): only on GPUs.
        kind: The kind of the devices: "tpu", "gpu" or "cpu".
    """
    if kind == "tpu":
        # A TPU compiles the whole step. jit_compile within strategy.run
        # fails there: keras#19448.
        return False
    return kind == "gpu" if xla is None else xla
