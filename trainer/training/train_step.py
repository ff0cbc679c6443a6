"""The train step: gradients on each replica, then one update of all variables.

  gradients(weights, state, batch) -> gradients, new state, loss, finite
  update(gradients, new state)     -> optimizer, state and EMA variables

The first half changes no variable. So XLA can compile it under any strategy,
and a step whose loss or gradients are not finite changes nothing:
compiled_loop.py runs the second half only if the first half was finite on every
replica.
"""

import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf

from trainer.augmentation.augment import Augmentation
from trainer.models import example_dropout, heads
from trainer.models.heads import Graphemes
from trainer.runtime import named_variables
from trainer.training import parts
from trainer.training.loss_scale import LossScale
from trainer.training.losses import Loss

_MEAN = tf.distribute.ReduceOp.MEAN


@dataclasses.dataclass(frozen=True)
class TrainStep:
    """One training step over all replicas.

    Attributes:
        strategy: Distributes the step over the replicas.
        core: The net that is trained.
        ema_core: The same net with the moving average of the weights.
        optimizer: Built on the trainable variables of the core.
        preprocess: Maps stored images to the input of the core.
        schedule: Maps a step to its learning rate.
        augmentation: Changes images and labels, using random numbers.
        loss: The loss of every example.
        ema_decay: Decay of the moving average per step, after its warm-up.
        batch_size: Global batch size.
        parts: Number of parts that a replica's share of the batch is computed
            in, one after another, to save memory.
        norm_group: Number of consecutive examples that batch normalisation
            takes its statistics over. Then the result does not depend on the
            number of replicas or parts. 0: all the examples of a part.
        graphemes: The classes of the core's grapheme head; None if it has none.
        max_loss: A step with a greater loss is not used.
        xla: Whether XLA compiles the gradients and, if no variable is mirrored,
            the update.
        compile_augmentation: Whether XLA compiles the augmentation if it does
            not compile the gradients. Otherwise its many small ops read and
            write all pixels one after the other: on a CPU this takes 11 ms for
            128 images of 64 x 64, and 2 ms in the one loop that XLA makes.
        loss_scale: Used with mixed_float16, else None.
    """

    strategy: tf.distribute.Strategy
    core: keras.Model
    ema_core: keras.Model
    optimizer: keras.optimizers.Optimizer
    preprocess: Callable[[tf.Tensor], tf.Tensor]
    schedule: Callable[[tf.Tensor], tf.Tensor]
    augmentation: Augmentation
    loss: Loss
    ema_decay: float
    batch_size: int
    parts: int
    norm_group: int
    graphemes: Graphemes | None
    max_loss: float
    xla: bool
    compile_augmentation: bool
    loss_scale: LossScale | None

    @property
    def part_size(self) -> int:
        """Number of examples that a replica computes at a time."""
        replicas = self.strategy.num_replicas_in_sync
        return self.batch_size // replicas // self.parts

    def variables(self) -> dict[str, tf.Variable | keras.Variable]:
        """Returns every variable that a step changes, by name."""
        named = (
            named_variables.name_variables("model", self.core.variables)
            | named_variables.name_variables("ema", self.ema_core.weights)
            | named_variables.name_variables(
                "optimizer", self.optimizer.variables
            )
        )
        if self.loss_scale is not None:
            named["loss_scale"] = self.loss_scale.variable
        return named

    def gradients(
        self,
        trainable: list[tf.Tensor],
        state: list[tf.Tensor],
        features: dict[str, tf.Tensor],
        step: tf.Tensor,
        scale: tf.Tensor | float,
    ) -> tuple[list[tf.Tensor], list[tf.Tensor], tf.Tensor, tf.Tensor]:
        """Computes one replica's share of the step; changes no variable.

        Args:
            trainable: Values of the core's trainable variables.
            state: Values of its other variables.
            features: The replica's examples, as TrainStream returns them.
            step: int64 scalar.
            scale: float32 scalar, a factor for the loss.

        Returns:
            The gradients, divided by `scale`; the new state; the replica's part
            of the mean loss over the global batch; int32 1 if the loss or a
            gradient is not finite, else 0.
        """

        def compute(state: list, part: dict) -> tuple:
            return self._part(trainable, state, part, step, scale)

        if self.parts == 1:
            grads, state, loss = compute(state, features)
        else:
            grads, state, loss = parts.add_up(
                compute,
                features,
                weights=trainable,
                state=state,
                parts=self.parts,
                averaged=bool(self.norm_group),
            )
        squares = tf.add_n([tf.reduce_sum(tf.square(g)) for g in grads])
        bad = tf.cast(~tf.math.is_finite(loss + squares), tf.int32)
        return grads, state, loss, bad

    def _part(
        self,
        trainable: list[tf.Tensor],
        state: list[tf.Tensor],
        features: dict[str, tf.Tensor],
        step: tf.Tensor,
        scale: tf.Tensor | float,
    ) -> tuple[list[tf.Tensor], list[tf.Tensor], tf.Tensor]:
        """Returns the gradients, the new state and the loss of one part."""
        images = self.preprocess(features["image"])
        if self.graphemes:
            index = self.graphemes.index(features)
            features = features | {heads.GRAPHEME: index}
        labels = {
            name: tf.one_hot(features[name], logits.shape[-1])
            for name, logits in self.core.output.items()
        }
        augment = self.augmentation.__call__
        if self.compile_augmentation:
            augment = tf.function(augment, jit_compile=True, autograph=False)
        images, labels = augment(images, labels, features["draws"], step)
        seeded = state
        if self.norm_group:
            seeded = example_dropout.set_seeds(
                state, step=step, first=features["batch_index"][0]
            )
        with tf.GradientTape() as tape:
            tape.watch(trainable)
            logits, new_state = self.core.stateless_call(
                trainable, seeded, images, training=True
            )
            loss = tf.reduce_sum(self.loss(labels, logits)) / self.batch_size
            scaled = loss * scale
        grads = [g / scale for g in tape.gradient(scaled, trainable)]
        if self.norm_group:
            new_state = example_dropout.keep_seeds(new_state, state)
        return grads, new_state, loss

    def update_all(
        self, grads: list[tf.Tensor], state: list[tf.Tensor], step: tf.Tensor
    ) -> None:
        """Updates the variables on all replicas."""
        self.optimizer.learning_rate = self.schedule(step)
        update = self.update
        if self.xla and not self._is_mirrored():
            # Without XLA a GPU launches thousands of small kernels.
            update = tf.function(update, jit_compile=True, autograph=False)
        self.strategy.run(update, args=(grads, state))

    def _is_mirrored(self) -> bool:
        """Returns whether variables are mirrored; XLA cannot compile that."""
        variable = self.optimizer.iterations.value
        return isinstance(variable, tf.distribute.DistributedValues)

    def update(self, grads: list[tf.Tensor], state: list[tf.Tensor]) -> None:
        """Updates the variables; runs on each replica.

        Args:
            grads: The gradients of `gradients`, not yet summed over the
                replicas.
            state: The new state of `gradients`.
        """
        self.optimizer.apply(grads, self.core.trainable_variables)
        # Batch statistics: the mean over the replicas. Seeds are equal on all.
        replica = tf.distribute.get_replica_context()
        floats = [value for value in state if value.dtype.is_floating]
        # One call, because a hundred small ones are slow on several GPUs.
        means = iter(replica.all_reduce(_MEAN, floats) if floats else ())
        state = [
            next(means) if value.dtype.is_floating else value for value in state
        ]
        # Keras's own optimizers use this function, too: it can update
        # variables under every strategy.
        tf.__internal__.distribute.interim.maybe_merge_call(
            self._assign_state, self.strategy, state
        )

    def _assign_state(
        self, strategy: tf.distribute.Strategy, state: list[tf.Tensor]
    ) -> None:
        def assign(variable: tf.Variable, value: tf.Tensor) -> None:
            variable.assign(value)

        def blend(
            average: tf.Variable, value: tf.Tensor, rate: tf.Tensor
        ) -> None:
            average.assign_sub(rate * (average - value))

        update = strategy.extended.update
        for variable, value in zip(
            self.core.non_trainable_variables, state, strict=True
        ):
            update(variable.value, assign, args=(value,), group=False)
        # Warm-up of the average as in tf.train.ExponentialMovingAverage.
        steps = tf.cast(self.optimizer.iterations.value, tf.float32)
        decay = tf.minimum(self.ema_decay, (1.0 + steps) / (10.0 + steps))
        rate = 1.0 - decay
        for average, variable in zip(
            self.ema_core.weights, self.core.weights, strict=True
        ):
            args = (variable.value, rate)
            update(average.value, blend, args=args, group=False)
