"""Computes a replica's batch in parts, one after another, to save memory."""

from collections.abc import Callable

import tensorflow as tf

from storage import UserError

# Maps the state and some examples to gradients, new state and loss.
Compute = Callable[
    [list[tf.Tensor], dict[str, tf.Tensor]],
    tuple[list[tf.Tensor], list[tf.Tensor], tf.Tensor],
]


def count(batch: int, *, limit: int, mix_group: int, norm_group: int) -> int:
    """Returns the number of parts for a replica's share of the batch.

    Args:
        batch: Number of examples of the share, a multiple of both groups.
        limit: Most examples in a part; 0: no limit.
        mix_group: Number of examples that must stay in one part.
        norm_group: The same, for batch normalisation: a multiple of
            `mix_group`; 0: no such groups.

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
        compute: Computes one part.
        features: The replica's examples.
        weights: Tensors with the shapes of the gradients.
        state: The state before the step.
        parts: Number of parts.
        averaged: If true, each part begins at `state`, and the new state is the
            mean over the parts. If false, each part begins with the state after
            the part before it.
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
