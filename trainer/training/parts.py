"""A replica's batch in parts, one after another, for want of memory."""

from collections.abc import Callable

import tensorflow as tf

from storage import UserError

# From the state and some examples to gradients, new state and loss.
Compute = Callable[
    [list[tf.Tensor], dict[str, tf.Tensor]],
    tuple[list[tf.Tensor], list[tf.Tensor], tf.Tensor],
]


def count(batch: int, *, limit: int, mix_group: int, norm_group: int) -> int:
    """Returns how many parts a replica's share of the batch is computed in.

    Args:
        batch: A replica's share, a multiple of both groups.
        limit: Examples that a part may have; 0: any number.
        mix_group: Examples that stay together.
        norm_group: Examples that stay together, a multiple of `mix_group`; 0:
            no further ones.

    Raises:
        UserError: The limit is less than a group.
    """
    if not limit or batch <= limit:
        return 1
    group = norm_group or mix_group
    if limit < group:
        name = "--norm_group" if norm_group else "--mix_group"
        raise UserError(
            f"--max_per_replica_batch={limit} is less than one group of "
            f"{name}={group} examples: give {group} or more"
        )
    groups = batch // group
    return next(
        parts
        for parts in range(2, groups + 1)
        if groups % parts == 0 and batch // parts <= limit
    )


def add_up(
    compute: Compute,
    features: dict[str, tf.Tensor],
    *,
    weights: list[tf.Tensor],
    state: list[tf.Tensor],
    parts: int,
    averaged: bool,
) -> tuple[list[tf.Tensor], list[tf.Tensor], tf.Tensor]:
    """Returns the sum of the parts' gradients, the new state, the loss.

    Args:
        compute: Of a part.
        features: The replica's examples.
        weights: Of the shapes of the gradients.
        state: Before the step.
        parts: How many.
        averaged: Whether each part begins at `state`, and the new state is
            the mean over the parts; else each begins where the one before it
            ended.
    """
    size = features["image"].shape[0] // parts

    def add(
        index: tf.Tensor,
        sums: list[tf.Tensor],
        reached: list[tf.Tensor],
        loss: tf.Tensor,
    ) -> tuple:
        part = {
            name: tf.slice(
                value,
                [index * size] + [0] * (value.shape.rank - 1),
                [size, *value.shape[1:]],
            )
            for name, value in features.items()
        }
        grads, new, more = compute(state if averaged else reached, part)
        sums = [a + b for a, b in zip(sums, grads, strict=True)]
        if averaged:
            new = [
                to + (end - begin) / parts if to.dtype.is_floating else end
                for to, begin, end in zip(reached, state, new, strict=True)
            ]
        return index + 1, sums, new, loss + more

    return tf.while_loop(
        lambda index, *_: index < parts,
        add,
        [tf.constant(0), [tf.zeros_like(w) for w in weights], state, 0.0],
        parallel_iterations=1,
    )[1:]
