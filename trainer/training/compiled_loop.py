"""The compiled loop: several training steps in one call of TensorFlow.

loop = compiled_loop.make(step, record)
losses, finite, input_seconds = loop(iterator, first_step, count)
"""

from collections.abc import Callable, Iterator

import tensorflow as tf

from trainer.training.out_of_memory import StepRecord
from trainer.training.train_step import TrainStep

_SUM = tf.distribute.ReduceOp.SUM


def make(step: TrainStep, record: StepRecord) -> Callable:
    """Returns loop(iterator, first_step, count), a tf.function.

    It takes `count` steps and returns their losses, [count] float32, whether
    each was finite, [count] bool, and the seconds for which the loop has
    waited for examples, float64. At the first step that is not, or whose loss
    is too great, it stops before it changes anything; what follows is 0 and
    False.

    Args:
        step: The train step.
        record: Notes what a call has done, for when it ends with an error.
    """
    gradients = _make_replica_gradients(step)

    # AutoGraph would rewrite whatever the loop calls: seconds of the start,
    # for a loop that alone branches on tensors.
    @tf.function(reduce_retracing=True, autograph=False)
    def loop(
        iterator: Iterator, first_step: tf.Tensor, count: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        record.reset(count)

        def body(
            index: tf.Tensor,
            ok: tf.Tensor,
            losses: tf.TensorArray,
            finite: tf.TensorArray,
            seconds: tf.Tensor,
        ) -> tuple:
            del ok
            features, waited = _timed_next(iterator)
            number = first_step + tf.cast(index, tf.int64)
            loss, ok = _take(
                step, gradients, features, number, index=index, record=record
            )
            return (
                index + 1,
                ok,
                losses.write(index, loss),
                finite.write(index, ok),
                seconds + waited,
            )

        _, _, losses, finite, seconds = tf.while_loop(
            lambda index, ok, *_: ok & (index < count),
            body,
            (
                tf.constant(0),
                tf.constant(True),
                tf.TensorArray(tf.float32, size=count),
                tf.TensorArray(tf.bool, size=count),
                tf.constant(0.0, tf.float64),
            ),
            parallel_iterations=1,
        )
        return losses.stack(), finite.stack(), seconds

    return loop


def _make_replica_gradients(step: TrainStep) -> Callable:
    """Returns what one replica computes of a step, from its variables."""
    gradients = tf.function(
        step.gradients, jit_compile=step.xla or None, autograph=False
    )
    size = step.batch_size // step.strategy.num_replicas_in_sync

    def replica_gradients(
        features: dict[str, tf.Tensor], number: tf.Tensor, scale: tf.Tensor
    ) -> tuple:
        # Iterators of several workers forget the size of a batch.
        features = {
            name: tf.ensure_shape(value, [size, *value.shape[1:]])
            for name, value in features.items()
        }
        weights = [
            [tf.convert_to_tensor(v.value) for v in variables]
            for variables in (
                step.core.trainable_variables,
                step.core.non_trainable_variables,
            )
        ]
        return gradients(*weights, features, number, scale)

    return replica_gradients


def _take(
    step: TrainStep,
    gradients: Callable,
    features: dict[str, tf.Tensor],
    number: tf.Tensor,
    *,
    index: tf.Tensor,
    record: StepRecord,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Takes one step, if it can be taken.

    Args:
        step: The train step.
        gradients: Of _make_replica_gradients().
        features: The examples of all replicas.
        number: The number of the step.
        index: Its number in this call of the loop.
        record: Notes what is done.

    Returns:
        The loss; whether training may go on.
    """
    scale = 1.0 if step.loss_scale is None else step.loss_scale.value
    grads, state, loss, bad = step.strategy.run(
        gradients, args=(features, number, scale)
    )
    loss = step.strategy.reduce(_SUM, loss, axis=None)
    bad = step.strategy.reduce(_SUM, bad, axis=None)
    fine = tf.math.is_finite(loss) & (loss <= step.max_loss)
    updated = record.begin(index, fine & (bad == 0))

    def update() -> tf.Tensor:
        step.update_all(grads, state, number)
        return tf.constant(True)  # Once all of it is done.

    done = tf.cond(updated, update, lambda: tf.constant(False))
    ok = updated
    if step.loss_scale is not None:
        ok = step.loss_scale.adapt(updated, fine)
    record.end(index, loss, after=[done, ok])
    return loss, ok


def _timed_next(iterator: Iterator) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Returns the next element, and the seconds until it was there."""
    began = tf.timestamp()
    with tf.control_dependencies([began]):
        features = next(iterator)
    parts = tf.nest.flatten(features, expand_composites=True)
    with tf.control_dependencies(parts):
        return features, tf.timestamp() - began
