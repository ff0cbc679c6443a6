"""What a GPU would run of a training step, by TensorFlow's kernel registry.

    found = gpu_graphs.check(tiny)       # tiny_training.make(…, strategy=…)
    found.without_kernel, found.on_host

A stock TensorFlow knows its GPU kernels without a GPU, and which of their
arguments have to be in the host's memory.
"""

import collections
import dataclasses
import functools

import tensorflow as tf
import tiny_training
from tensorflow.python.framework import kernels

_ON_GPU = ("GPU", "DEFAULT")
_MANY = 16  # Numbers an example; fewer are copied in no time.


@dataclasses.dataclass(frozen=True)
class Found:
    """What is wrong with a graph.

    Attributes:
        ops: Ops that would run on the GPU.
        without_kernel: Types of those that have none, and how often.
        on_host: Outputs in the host's memory, of many numbers an example.
    """

    ops: int
    without_kernel: dict[str, int]
    on_host: list[str]


def strategy() -> tf.distribute.Strategy:
    """Returns the strategy of one GPU, which need not be there."""
    tf.config.set_soft_device_placement(True)
    return tf.distribute.OneDeviceStrategy("/gpu:0")


def check(tiny) -> Found:
    """Traces the compiled loop of tiny_training.make() and looks at it."""
    graph = tiny_training.trace(tiny)
    return look_at(
        [op for op, device in _placed(graph) if "GPU" in device.upper()],
        batch_size=tiny.step.batch_size,
    )


def look_at(ops, *, batch_size: int) -> Found:
    """Looks ops up that would run on a GPU."""
    missing, on_host = collections.Counter(), []
    for op in ops:
        all_kernels = _registered(op.type)
        fitting = [k for k in all_kernels if _suits(k, op)]
        if not fitting:
            if all_kernels:
                missing[op.type] += 1
            continue
        best = min(
            fitting, key=lambda kernel: _ON_GPU.index(kernel.device_type)
        )
        if all(i.op.type == "Const" for i in op.inputs):
            continue
        names = [argument.name for argument in op.op_def.output_arg]
        on_host += [
            f"{op.type} {op.name} {output.shape}"
            for name, output in zip(names, op.outputs, strict=False)
            if name in best.host_memory_arg
            and (output.shape.num_elements() or 0) >= _MANY * batch_size
        ]
    return Found(len(ops), dict(missing), on_host)


def _placed(graph, device=""):
    """Yields the ops of a graph and of what it calls, with their devices.

    An op without a device of its own has that of the call.
    """
    seen, waiting = set(), [(graph, device)]
    while waiting:
        graph, device = waiting.pop()
        seen.add(id(graph))
        for op in graph.get_operations():
            yield op, op.device or device
            for attribute in op.node_def.attr.values():
                functions = [attribute.func, *attribute.list.func]
                for name in (f.name for f in functions if f.name):
                    inner = getattr(graph._get_function(name), "graph", None)
                    if inner is not None and id(inner) not in seen:
                        waiting.append((inner, op.device or device))


@functools.cache
def _registered(op_type: str):
    return kernels.get_registered_kernels_for_op(op_type).kernel


def _suits(kernel, op) -> bool:
    """Whether a kernel is a GPU's, for the types of an op."""
    if kernel.device_type not in _ON_GPU:
        return False
    for constraint in kernel.constraint:
        if constraint.name not in op.node_def.attr:
            return False
        attribute = op.node_def.attr[constraint.name]
        types = [attribute.type] if attribute.type else attribute.list.type
        if set(types) - set(constraint.allowed_values.list.type):
            return False
    return True
