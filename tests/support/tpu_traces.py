"""Traces a run under TPUStrategy, for a TPU that is not there.

    TPU_PYTHON tests/support/tpu_traces.py RECORDS CORES

A process in the environment of requirements-tpu.txt. Prints a JSON object: by
part of a run ("loop", "evaluation", "hand-over"), the number of types of ops
that the TPU would run, and those for which it has no kernel.

TensorFlow is given the cores' names without the cores: with soft placement all
that is not compiled runs on the CPU. Nothing is trained.
"""

import functools
import json
import os
import pathlib
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["TPU_SKIP_MDS_QUERY"] = "1"
os.environ["TPU_ACCELERATOR_TYPE"] = "v5litepod-1"
os.environ["TPU_WORKER_HOSTNAMES"] = "localhost"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import tensorflow as tf
import tiny_training
from tensorflow.python.eager import context
from tensorflow.python.framework import kernels
from tensorflow.python.tpu import tpu_system_metadata

from tfrecord_builder.records import dataset_info
from trainer.evaluation.split_predictor import SplitPredictor
from trainer.models import network
from trainer.runtime import workers
from trainer.stream import eval_dataset, input_pipeline

# What marks a cluster; it is gone before the cluster is compiled.
_MARK = "TPUReplicateMetadata"
_BATCH = 8
_SIZE = (32, 32)


def main() -> None:
    records, cores = sys.argv[1], int(sys.argv[2])
    strategy = make_strategy(cores)
    tiny = tiny_training.make(
        records,
        strategy=strategy,
        batch_size=_BATCH,
        policy="mixed_bfloat16",
        size=_SIZE,
    )
    info = dataset_info.read(records)
    with strategy.scope():
        best = network.build_core(
            backbone="small",
            height=_SIZE[0],
            width=_SIZE[1],
            outputs={o.name: len(o.classes) for o in info.outputs},
            dropout=0.2,
            pool="average",
            pool_per_output=False,
            seed=0,
        )
    graphs = {
        "loop": tiny_training.trace(tiny),
        "evaluation": trace_predictor(tiny, tiny.step.ema_core, records),
        "hand-over": trace_predictor(tiny, best, records),
    }
    compile_something()
    print(json.dumps({part: look_up(graph) for part, graph in graphs.items()}))


def make_strategy(cores: int) -> tf.distribute.Strategy:
    """Returns a TPUStrategy of cores that are not there."""
    host = "/job:localhost/replica:0/task:0/device:"
    names = [(f"{host}TPU:{index}", "TPU") for index in range(cores)]
    names += [(f"{host}TPU_SYSTEM:0", "TPU_SYSTEM"), (f"{host}CPU:0", "CPU")]
    metadata = tpu_system_metadata.TPUSystemMetadata(
        num_cores=cores,
        num_hosts=1,
        num_of_cores_per_host=cores,
        topology=None,
        devices=[context.LogicalDevice(*name) for name in names],
    )
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver("local")
    resolver.get_tpu_system_metadata = lambda: metadata
    tf.config.set_soft_device_placement(True)
    return tf.distribute.TPUStrategy(resolver)


def trace_predictor(tiny, net, records: str) -> tf.Graph:
    """Returns the graph of a batch of predictions."""
    info = dataset_info.read(records)
    predictor = SplitPredictor(
        tiny.step.strategy,
        net,
        preprocess=tiny.step.preprocess,
        info=info,
        data_dir=records,
        batch_size=_BATCH,
    )
    dataset = workers.distribute(
        tiny.step.strategy,
        functools.partial(
            eval_dataset.make,
            info,
            input_pipeline.shard_paths(info, records, ("fold0",)),
            batch_size=_BATCH,
        ),
    )
    return predictor._batch.get_concrete_function(dataset.element_spec).graph


def compile_something() -> None:
    """Makes TensorFlow register the kernels of the TPU's compiler."""
    plus_one = tf.function(lambda x: x + 1, jit_compile=True)
    ir = plus_one.experimental_get_compiler_ir(tf.zeros(1))
    ir(stage="hlo", platform_name="TPU")


def look_up(graph: tf.Graph) -> dict[str, object]:
    """Returns how many types of ops the TPU runs, and those it cannot."""
    definition = graph.as_graph_def()
    functions = {f.signature.name: f for f in definition.library.function}
    bodies = [definition.node, *(f.node_def for f in functions.values())]
    waiting = [n for body in bodies for n in body if "_tpu_replicate" in n.attr]
    types, seen = set(), set()
    while waiting:
        node = waiting.pop()
        types.add(node.op)
        for attribute in node.attr.values():
            for name in (
                attribute.func.name,
                *(f.name for f in attribute.list.func),
            ):
                if name in functions and name not in seen:
                    seen.add(name)
                    waiting += functions[name].node_def
    missing = [
        op
        for op in sorted(types - {_MARK})
        if "XLA_TPU_JIT"
        not in {
            kernel.device_type
            for kernel in kernels.get_registered_kernels_for_op(op).kernel
        }
    ]
    return {"types": len(types), "without_kernel": missing}


if __name__ == "__main__":
    main()
