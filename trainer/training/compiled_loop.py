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

    It runs `count` steps and returns their losses, [count] float32, whether
    each step was good (finite, and its loss not too great), [count] bool, and
    the seconds that the loop waited for examples, float64. It stops at the
    first bad step, before that step changes anything; the remaining entries are
    0 and False.

    Args:
        step: The train step.
        record: Records the progress of a call, in case the call fails.
    """
    gradients = _make_replica_gradients(step)

    # AutoGraph would rewrite every function that the loop calls. That takes
    # seconds at each start, and only the loop itself branches on tensors.
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
    """Returns the function that computes the gradients of one replica."""
    gradients = tf.function(
        step.gradients, jit_compile=step.xla or None, autograph=False
    )
    size = step.batch_size // step.strategy.num_replicas_in_sync

    def replica_gradients(
        features: dict[str, tf.Tensor], number: tf.Tensor, scale: tf.Tensor
    ) -> tuple:
        # With several workers the iterators lose the static batch size.
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
    """Computes one step, and updates the variables if the step is good.

    Args:
        step: The train step.
        gradients: The result of _make_replica_gradients().
        features: The examples of all replicas.
        number: The number of the step in the run.
        index: The number of the step in this call of the loop.
        record: Records the progress of the call.

    Returns:
        The loss; whether training may continue.
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
        return tf.constant(True)  # Only after the whole update.

    done = tf.cond(updated, update, lambda: tf.constant(False))
    ok = updated
    if step.loss_scale is not None:
        ok = step.loss_scale.adapt(updated, fine)
    record.end(index, loss, after=[done, ok])
    return loss, ok


def _timed_next(iterator: Iterator) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Returns the next element, and the seconds that it took to arrive."""
    began = tf.timestamp()
    with tf.control_dependencies([began]):
        features = next(iterator)
    parts = tf.nest.flatten(features, expand_composites=True)
    with tf.control_dependencies(parts):
        return features, tf.timestamp() - began
