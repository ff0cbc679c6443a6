"""The train step: pure gradients on each replica, then one update of all.

  gradients(weights, state, batch) -> gradients, new state, loss, finite
  update(gradients, new state)     -> optimizer, state and EMA variables

The first half touches no variable, so that XLA can compile it under any
strategy and so that a step whose loss or gradients are not finite leaves no
trace: compiled_loop.py runs the second half only if every replica's first half
was finite.
"""

import dataclasses
from collections.abc import Callable

import keras
import tensorflow as tf

from trainer.augmentation.augment import Augmentation
from trainer.models import heads
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
        strategy: Spreads the step.
        core: The net that is trained.
        ema_core: The same net, holding the moving average of its weights.
        optimizer: Built on the core's trainable variables.
        preprocess: From the stored images to the core's input.
        schedule: Learning rate of a step.
        augmentation: Changes images and labels, by drawn numbers.
        loss: Of every example.
        ema_decay: Decay of the moving average a step, after its warm-up.
        batch_size: Global batch size.
        parts: Parts that a replica's share of the batch is computed in, one
            after another, for want of memory.
        norm_group: Consecutive examples that batch normalisation takes its
            statistics over; then no number depends on replicas or parts. 0:
            the examples of a part.
        graphemes: The classes of the core's grapheme head; None if it has
            none.
        max_loss: A step with a greater loss is not taken.
        xla: Whether XLA compiles the gradients and, where no variable is
            mirrored, the update.
        compile_augmentation: Whether XLA compiles the augmentation where it
            does not compile the gradients. Its many small ops read and write
            all pixels one after the other: on a CPU 11 ms for 128 images of
            64 x 64, and 2 ms where XLA makes one loop of them.
        loss_scale: With mixed_float16, else None.
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
        """Examples that a replica computes at a time."""
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
        """Computes one replica's share of the step; touches no variable.

        Args:
            trainable: Values of the core's trainable variables.
            state: Values of its other variables.
            features: The replica's examples, as of TrainStream.
            step: int64 scalar.
            scale: float32 scalar, what the loss is multiplied by.

        Returns:
            The gradients, unscaled; the new state; the loss, a share of the
            global batch's mean; int32 1 where any of it is not finite, else 0.
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
        """Returns the gradients, the new state and the loss of examples."""
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
        with tf.GradientTape() as tape:
            tape.watch(trainable)
            logits, new_state = self.core.stateless_call(
                trainable,
                self._seed_dropout(state, features, step),
                images,
                training=True,
            )
            loss = tf.reduce_sum(self.loss(labels, logits)) / self.batch_size
            scaled = loss * scale
        grads = [g / scale for g in tape.gradient(scaled, trainable)]
        if self.norm_group:
            new_state = _replace_seeds(new_state, state)
        return grads, new_state, loss

    def _seed_dropout(
        self,
        state: list[tf.Tensor],
        features: dict[str, tf.Tensor],
        step: tf.Tensor,
    ) -> list[tf.Tensor]:
        """Returns the state with what ExampleDropout draws by."""
        if not self.norm_group:
            return state
        seed = tf.stack([step, features["batch_index"][0]])
        seeds = [tf.cast(seed, value.dtype) for value in state]
        return _replace_seeds(state, seeds)

    def update_all(
        self, grads: list[tf.Tensor], state: list[tf.Tensor], step: tf.Tensor
    ) -> None:
        """Changes the variables of every replica."""
        self.optimizer.learning_rate = self.schedule(step)
        update = self.update
        if self.xla and not self._is_mirrored():
            # Else a GPU launches thousands of small kernels, one by one.
            update = tf.function(update, jit_compile=True, autograph=False)
        self.strategy.run(update, args=(grads, state))

    def _is_mirrored(self) -> bool:
        """Whether replicas meet in the update, which XLA cannot compile."""
        variable = self.optimizer.iterations.value
        return isinstance(variable, tf.distribute.DistributedValues)

    def update(self, grads: list[tf.Tensor], state: list[tf.Tensor]) -> None:
        """Changes the variables, on every replica.

        Args:
            grads: What `gradients` returned, not yet summed over replicas.
            state: The new state that it returned.
        """
        self.optimizer.apply(grads, self.core.trainable_variables)
        # Batch statistics: the mean over the replicas. Seeds: all the same.
        replica = tf.distribute.get_replica_context()
        floats = [value for value in state if value.dtype.is_floating]
        # One call: several GPUs would pay for each of a hundred small ones.
        means = iter(replica.all_reduce(_MEAN, floats) if floats else ())
        state = [
            next(means) if value.dtype.is_floating else value for value in state
        ]
        # What Keras's own optimizers use to update variables in place under
        # every strategy.
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


def _replace_seeds(
    state: list[tf.Tensor], seeds: list[tf.Tensor]
) -> list[tf.Tensor]:
    """Returns the state, with the seeds of another one."""
    return [
        value if value.dtype.is_floating else seed
        for value, seed in zip(state, seeds, strict=True)
    ]
