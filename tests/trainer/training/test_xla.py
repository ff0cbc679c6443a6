"""The replica step as a TPU gets it: compiled by XLA, in fixed shapes."""

import re

import backbone_names
import pytest
import tensorflow as tf
import tiny_training

from trainer.training import compiled_loop
from trainer.training.out_of_memory import StepRecord

_DYNAMIC = re.compile(r"\[[^]]*<=")  # A dimension in HLO that has a bound.


def lower(function, *arguments) -> str:
    """Returns the HLO that XLA is given."""
    compiled = tf.function(function, jit_compile=True)
    return compiled.experimental_get_compiler_ir(*arguments)(stage="hlo")


def op_types(function, *arguments) -> set[str]:
    """Returns the ops of a tf.function, those of all it calls among them."""
    graph = function.get_concrete_function(*arguments).graph.as_graph_def()
    bodies = [graph.node, *(f.node_def for f in graph.library.function)]
    return {node.op for body in bodies for node in body}


def changes_outside_xla(function, *arguments) -> set[str]:
    """Returns the ops that XLA does not compile and that change variables."""
    graph = function.get_concrete_function(*arguments).graph.as_graph_def()
    bodies = [graph.node]
    for body in graph.library.function:
        if not body.attr["_XlaMustCompile"].b:
            bodies.append(body.node_def)
    return {n.op for body in bodies for n in body if "VariableOp" in n.op} - {
        "ReadVariableOp"
    }


def has_python(ops: set[str]) -> bool:
    return any("PyFunc" in op for op in ops)


def test_what_does_not_suit_is_seen():
    def positive(x):
        return tf.boolean_mask(x, x > 0)

    @tf.function
    def python(x):
        if x[0] > 0:
            x = tf.numpy_function(lambda x: x, [x], tf.float32)
        return x

    x = tf.constant([1.0, -1.0])
    assert _DYNAMIC.search(lower(positive, x))
    assert has_python(op_types(python, x))


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "name",
    backbone_names.cases(
        [*backbone_names.OWN, *backbone_names.OTHERS], quick=["small"]
    ),
)
def test_the_replica_step_compiles(tiny_records, name):
    tiny = tiny_training.make(
        tiny_records, backbone=name, size=(32, 32), xla=True
    )
    dataset = tiny.stream.dataset(0, 1)
    assert all(
        s.shape.is_fully_defined() for s in dataset.element_spec.values()
    )
    batch, core = next(iter(dataset)), tiny.step.core
    weights = [
        [tf.convert_to_tensor(variable.value) for variable in variables]
        for variables in (
            core.trainable_variables,
            core.non_trainable_variables,
        )
    ]
    step = tf.constant(0, tf.int64)
    hlo = lower(tiny.step.gradients, *weights, batch, step, tf.constant(1.0))
    assert "f32[8,32,32,1]" in hlo
    assert not _DYNAMIC.search(hlo)
    # Gradients and new state have the shapes of what they change.
    assert not _DYNAMIC.search(lower(tiny.step.update, *weights))

    loop, arguments = (
        compiled_loop.make(tiny.step, StepRecord()),
        (iter(dataset), step, tf.constant(1)),
    )
    ops = op_types(loop, *arguments)
    assert "Conv2D" in ops
    assert not has_python(ops)
    losses, finite, _ = loop(*arguments)
    assert finite.numpy().tolist() == [True]
    assert losses[0] > 0


def test_the_update_is_compiled(tiny_records):
    found = {}
    for xla in (False, True):
        tiny = tiny_training.make(tiny_records, backbone="tiny", xla=xla)
        found[xla] = changes_outside_xla(
            compiled_loop.make(tiny.step, StepRecord()),
            iter(tiny.stream.dataset(0, 1)),
            tf.constant(0, tf.int64),
            tf.constant(1),
        )
    # What is left is the learning rate.
    assert found[True] == {"AssignVariableOp"}
    assert {"AssignSubVariableOp", "AssignAddVariableOp"} < found[False]


def test_mirrored_variables_are_updated_without_xla(tiny_records):
    """A worker that is alone has a replica of its own, and mirrored ones."""
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    tiny = tiny_training.make(
        tiny_records, backbone="tiny", strategy=strategy, xla=True
    )
    assert tiny_training.take(tiny, [1])[1] == [True]


def test_a_compiled_run_goes_on_exactly(tiny_records):
    whole, first, second = (
        tiny_training.make(tiny_records, backbone="tiny", xla=True)
        for _ in range(3)
    )
    tiny_training.take(whole, [5])
    first.state.begin_leg(1, "a test", {})
    tiny_training.take(first, [2])
    second.state.restore(first.state.arrays(), first.state.document())
    assert second.state.digest() == first.state.digest() != whole.state.digest()
    tiny_training.take(second, [2, 1], first_step=2)
    assert second.state.digest() == whole.state.digest()
