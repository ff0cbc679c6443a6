"""Measures one row of train_step.py; each row is a separate process.

  python benchmarks/train_step_peers.py ROW STEPS DATA_DIR BACKBONE SIZE BATCH …

ROW is one of:

  ours       trainer/main.py, stopped after STEPS. The arguments after BATCH are
             its flags.
  fit        Model.fit of the same net with the same preprocessing. The data are
             tensors in memory, without augmentation. With the argument "off"
             after BATCH, XLA is not used; by default Keras uses it on a CPU.
  notebook   Model.fit on numpy batches from a Python generator. The images were
             resized before; the generator warps each image separately, as
             ImageDataGenerator does.
  bare       Imports TensorFlow, builds the net, and runs one step without XLA.

Prints JSON: seconds and CPU seconds (of all threads) from the process's start
to the end of its first step, and of each later image, without evaluations.
"""

import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
from trainer.runtime import process_age
from trainer.runtime.limits import StopError

if TYPE_CHECKING:  # Each row imports only what it needs; that is timed.
    import keras
    import numpy as np

    from tfrecord_builder.records.dataset_info import DatasetInfo

Times = tuple[float, float]


def now() -> Times:
    """Returns the age and the CPU time of this process, in seconds."""
    return process_age.seconds(), time.process_time()


def per_image(pairs: Iterable[tuple[Times, Times]], images: int) -> list[float]:
    """Returns the time per image between pairs of results of now()."""
    return [
        math.fsum(end[k] - begin[k] for begin, end in pairs) / images
        for k in range(2)
    ]


def ours(
    steps: int,
    data_dir: str,
    backbone: str,
    size: int,
    batch: int,
    *arguments: str,
) -> dict:
    from trainer import main
    from trainer.outputs.workdir import Workdir

    marks = []
    write_news = Workdir._write_news

    def marked(self: Workdir) -> None:
        """Notes the time after every loop of steps, and after evaluations."""
        marks.append((self.state.step, now()))
        if self.state.step > steps:
            raise StopError
        write_news(self)

    with tempfile.TemporaryDirectory() as folder:
        sys.argv = [
            main.__file__,
            f"--data_dir={data_dir}",
            f"--workdir={folder}",
            f"--backbone={backbone}",
            f"--input_height={size}",
            f"--input_width={size}",
            f"--global_batch_size={batch}",
            *arguments,
        ]
        with mock.patch.object(Workdir, "_write_news", marked):
            try:
                main.run()
            except SystemExit as stop:
                if stop.code:
                    raise
    (first, began), *_ = (mark for mark in marks if mark[0])
    pairs = [
        (begin, end)
        for (before, begin), (after, end) in zip(marks, marks[1:], strict=False)
        if first <= before < after
    ]
    return {
        "start": began,
        "image": per_image(pairs, (marks[-1][0] - first) * batch),
    }


def fit(
    steps: int,
    data_dir: str,
    backbone: str,
    size: int,
    batch: int,
    jit_compile: str = "auto",
) -> dict:
    import tensorflow as tf

    net, info = make_net(data_dir, backbone, size, jit_compile=jit_compile)
    count = steps // 2 * batch
    images, labels = read_images(info, data_dir, count)
    images = tf.constant(images)
    labels = {name: tf.constant(value) for name, value in labels.items()}
    net.fit(
        images[:batch],
        {name: value[:batch] for name, value in labels.items()},
        batch_size=batch,
        verbose=0,
    )
    began = now()
    net.fit(images, labels, batch_size=batch, epochs=2, verbose=0)
    return {"image": per_image([(began, now())], 2 * count)}


def notebook(
    steps: int, data_dir: str, backbone: str, size: int, batch: int
) -> dict:
    import notebook_batches

    net, info = make_net(data_dir, backbone, size, resized=True)
    count = steps // 2 * batch
    images, labels = read_images(info, data_dir, count)
    batches = notebook_batches.NotebookBatches(
        images, labels, net.input_shape[1:3], batch
    )
    net.train_on_batch(*batches[0])
    began = now()
    net.fit(batches, epochs=2, verbose=0)
    return {"image": per_image([(began, now())], 2 * count)}


def bare(
    steps: int, data_dir: str, backbone: str, size: int, batch: int
) -> dict:
    import numpy as np

    del steps
    net, info = make_net(data_dir, backbone, size, jit_compile="off")
    labels = {o.name: np.zeros(batch, np.int64) for o in info.outputs}
    net.train_on_batch(
        np.zeros((batch, *net.input_shape[1:]), np.uint8), labels
    )
    return {"start": now()}


def make_net(
    data_dir: str,
    backbone: str,
    size: int,
    *,
    resized: bool = False,
    jit_compile: str = "auto",
) -> tuple["keras.Model", "DatasetInfo"]:
    """Returns a compiled model, and the dataset.

    Args:
        data_dir: Folder with the records.
        backbone: Its name.
        size: Height and width of the net's input; 0: the stored size.
        resized: Whether its input is images of that size in [0, 1]. If not, it
            is stored images, which it preprocesses as our step does.
        jit_compile: "auto", Keras's own choice, or "off".
    """
    import keras

    from tfrecord_builder.records import dataset_info
    from trainer.models import network, preprocessing, training_layers
    from trainer.training import optimizers

    info = dataset_info.read(data_dir)
    height, width = size or info.image.height, size or info.image.width
    net = network.build_core(
        backbone=backbone,
        height=height,
        width=width,
        outputs={o.name: len(o.classes) for o in info.outputs},
        dropout=0.2,
        pool="average",
        pool_per_output=False,
        seed=0,
    )
    training_layers.use(net, norm_group=0, seed=0, cpu_bfloat16=False)
    if not resized:
        preprocess = preprocessing.Preprocessing(height, width, crop=True)
        shape = (info.image.height, info.image.width, 1)
        images = keras.Input(shape, dtype="uint8")
        net = keras.Model(images, net(preprocess(images)))
    net.compile(
        optimizer=optimizers.make("muon", net, weight_decay=0.02),
        loss={
            o.name: keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            for o in info.outputs
        },
        jit_compile="auto" if jit_compile == "auto" else False,
    )
    return net, info


def read_images(
    info: "DatasetInfo", data_dir: str, count: int
) -> tuple["np.ndarray", dict[str, "np.ndarray"]]:
    """Returns images [count, H, W, 1] uint8 and their labels, by output."""
    from trainer.stream import eval_dataset, input_pipeline

    paths = input_pipeline.shard_paths(info, data_dir, info.folds)
    dataset = eval_dataset.make(info, paths, batch_size=count)
    batch = next(dataset.as_numpy_iterator())
    return batch["image"], {o.name: batch[o.name] for o in info.outputs}


if __name__ == "__main__":
    row, steps, data_dir, backbone, size, batch, *arguments = sys.argv[1:]
    measure = {"ours": ours, "fit": fit, "notebook": notebook, "bare": bare}
    result = measure[row](
        int(steps), data_dir, backbone, int(size), int(batch), *arguments
    )
    print(json.dumps(result))
