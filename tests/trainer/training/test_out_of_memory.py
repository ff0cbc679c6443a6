"""What is left of a step that is refused memory, and what follows it."""

import dataclasses
import types

import pytest
import small_memory
import tensorflow as tf
import tiny_training

from storage import UserError
from trainer.augmentation.augment import Augmentation
from trainer.training import compiled_loop, out_of_memory
from trainer.training.bad_steps import BadStepError
from trainer.training.out_of_memory import OutOfMemoryError, StepRecord
from trainer.training.train_step import TrainStep


class TornStep(TrainStep):
    """Has not the memory for its update."""

    def update(self, grads, state):
        super().update(grads, state)
        count = self.optimizer.iterations
        lack = small_memory.allocate(tf.convert_to_tensor(count) >= 0)
        count.assign_add(tf.cast(lack, count.dtype))


def call(tiny, record, *, count):
    """Takes one call of the loop from step 0."""
    loop = compiled_loop.make(tiny.step, record)
    iterator = iter(tiny.stream.dataset(0, count))
    with record.watching():
        loop(iterator, tf.constant(0, tf.int64), tf.constant(count))


def test_a_failed_call_leaves_the_steps_before_the_one_that_failed(
    tiny_records,
):
    tiny, whole = (
        tiny_training.make(tiny_records, backbone="tiny") for _ in range(2)
    )
    losses, _ = tiny_training.take(whole, [3])
    # Only this test uses TensorFlow's own allocator.
    tiny.step = small_memory.greedy(tiny.step, most=4, at=3, in_numpy=False)
    with pytest.raises(OutOfMemoryError) as error:
        call(tiny, StepRecord(), count=5)
    assert error.value.losses == losses
    assert tiny.state.digest() == whole.state.digest()


def test_an_update_that_is_torn_is_no_state_to_go_on_from(tiny_records):
    tiny = tiny_training.make(tiny_records, backbone="tiny")
    values = {
        field.name: getattr(tiny.step, field.name)
        for field in dataclasses.fields(tiny.step)
    }
    tiny.step = TornStep(**values)
    with pytest.raises(UserError, match="memory in the update"):
        call(tiny, StepRecord(), count=2)


def step_of(**values):
    """Returns what halve() needs of a step, 24 examples on each replica."""
    strategy = types.SimpleNamespace(num_replicas_in_sync=2)
    args = dict.fromkeys(
        field.name for field in dataclasses.fields(TrainStep)
    ) | {
        "strategy": strategy,
        "batch_size": 48,
        "parts": 1,
        "norm_group": 0,
        "augmentation": Augmentation(mix_group=4),
    }
    return TrainStep(**args | values)


class Notes:
    """Stands for a run at step 7."""

    step = 7

    def __init__(self):
        self.examples = []

    def count_out_of_memory(self, examples):
        self.examples.append(examples)


def halve_to_the_end(step, notes):
    while True:
        step = out_of_memory.halve(step, notes, workers=1)


def test_the_examples_are_halved_in_whole_groups():
    notes = Notes()
    with pytest.raises(BadStepError, match="group of --mix_group=4, the min"):
        halve_to_the_end(step_of(), notes)
    assert notes.examples == [12, 4]  # 6 and 2 cut groups.
    notes = Notes()
    with pytest.raises(BadStepError, match="step 7 .* --norm_group=8, the mi"):
        halve_to_the_end(step_of(norm_group=8), notes)
    assert notes.examples == [8]
    with pytest.raises(BadStepError, match="--max_per_replica_batch=12$"):
        out_of_memory.halve(step_of(), notes, workers=2)
