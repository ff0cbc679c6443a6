"""Describes a run: sizes, steps, memory, and the time of a few real steps."""

import resource
import time

import tensorflow as tf

from console import progress
from trainer.training import compiled_loop, out_of_memory
from trainer.training.loop import TrainingLoop
from trainer.training.out_of_memory import OutOfMemoryError, StepRecord

_LEAST_SECONDS = 3.0  # The timed steps take at least this long.
_MOST_STEPS = 200


def show(
    training: TrainingLoop, *, presets: list[str], changed_flags: list[str]
) -> None:
    """Runs a few steps of a run that has not started, and describes the run.

    Args:
        training: The run. Its weights are changed; nothing is written.
        presets: The flagfiles that were given.
        changed_flags: The flags that are not at their defaults.
    """
    training.state.begin_leg(1, training.devices.description, {})
    while True:
        try:
            compilation, seconds = _time_steps(training)
            break
        except OutOfMemoryError:
            training.step = out_of_memory.halve(
                training.step, training.state, workers=1
            )
    steps_per_epoch = training.state.steps_per_epoch
    total = training.total_steps
    whole = compilation + total * seconds
    core = training.step.core
    order, batch = training.stream.order, training.stream.batch_size
    rows = {
        "devices": training.devices.description,
        "presets": " ".join(presets) or "none",
        "flags": " ".join(changed_flags) or "all at their defaults",
        "training images": f"{order.records:,} in {len(order.shard_records)} "
        f"shards, {'kept in memory' if order.in_memory else 'read in windows'}",
        **{
            f"{name} images": f"{_records(training, splits):,}"
            for name, splits in training.evaluation.splits.items()
        },
        "steps": f"{training.epochs} epochs of {steps_per_epoch:,} "
        f"steps of {batch} images: {total:,} steps",
        "parameters": f"{core.count_params():,}; input "
        f"{' x '.join(map(str, core.input_shape[1:3]))}",
        "memory": _memory(),
        "first step": f"{progress.minutes(compilation)}, with compilation",
        "then": f"{1000 * seconds:.0f} ms a step, "
        f"{batch / seconds:,.0f} images/s",
        "time in all": f"about {progress.minutes(whole)}, and the evaluations",
    }
    for name, text in rows.items():
        print(f"{name:<20}{text}")
    print("dry run: nothing was written")


def _time_steps(training: TrainingLoop) -> tuple[float, float]:
    """Returns the seconds of the first step, and of each later step."""
    record = StepRecord()
    loop = compiled_loop.make(training.step, record)
    iterator = iter(training.distributed_stream())
    step = 0

    def take(count: int) -> float:
        nonlocal step
        began = time.monotonic()
        first = tf.constant(step, tf.int64)
        with record.watching():
            losses, *_ = loop(iterator, first, tf.constant(count))
            losses.numpy()
        step += count
        return time.monotonic() - began

    compilation = take(1)
    count, seconds = 1, compilation
    while remaining := training.total_steps - step:
        count = min(count, remaining, _MOST_STEPS)
        seconds = take(count)
        if seconds >= _LEAST_SECONDS or count == _MOST_STEPS:
            break
        count *= 2
    return compilation, seconds / count


def _records(training: TrainingLoop, splits: tuple[str, ...]) -> int:
    info = training.stream.info
    return sum(info.splits[split].records for split in splits)


def _memory() -> str:
    """Returns the peak memory of the host process and of each GPU."""
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10  # KiB
    parts = [f"{host / 1e9:.1f} GB of the host"]
    parts += [
        f"{tf.config.experimental.get_memory_info(gpu.name)['peak'] / 1e9:.1f} "
        f"GB of {gpu.name.removeprefix('/device:')}"
        for gpu in tf.config.list_logical_devices("GPU")
    ]
    return ", ".join(parts)
