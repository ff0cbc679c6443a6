"""A step that the accelerator's memory is too small for.

A run may go on where there is less memory than where it began. The half of a
step that needs it, the gradients, changes no variable (train_step.py). So the
step is taken again from the same state, with half the examples at a time.
"""

import dataclasses

from absl import logging

from trainer.runtime.run_state import RunState
from trainer.training import parts
from trainer.training.bad_steps import BadStepError
from trainer.training.train_step import TrainStep


def halve(step: TrainStep, state: RunState, *, workers: int) -> TrainStep:
    """Returns the step with half the examples at a time; notes it in the leg.

    Args:
        step: What memory is too small for.
        state: The run.
        workers: Processes that take the steps together. Several cannot go
            back to one step together.

    Raises:
        BadStepError: The examples cannot be fewer.
    """
    size, mix_group = step.part_size, step.augmentation.mix_group
    group = step.norm_group or mix_group
    message = (
        f"out of memory at step {state.step} with {size} examples at a time "
        "on each device"
    )
    if size == group:
        name = "--norm_group" if step.norm_group else "--mix_group"
        raise BadStepError(
            f"{message}, which is one group of {name}={group}, the least: use "
            "a device with more memory, or a smaller --backbone or input "
            "(--restart)"
        )
    limit = max(group, size // 2)
    if workers > 1:
        raise BadStepError(
            f"{message}: start all workers of TF_CONFIG again with "
            f"--max_per_replica_batch={limit}"
        )
    count = parts.count(
        step.parts * size,
        limit=limit,
        mix_group=mix_group,
        norm_group=step.norm_group,
    )
    halved = dataclasses.replace(step, parts=count)
    state.count_out_of_memory(halved.part_size)
    logging.warning(
        "%s: taking the step again with %d, as --max_per_replica_batch=%d does",
        message.capitalize(),
        halved.part_size,
        halved.part_size,
    )
    return halved
