"""Writes the programs of a training step as HLO. Runs as a separate process.

    python scripts/ahead/export.py FOLDER KIND PRECISION PROGRAMS FLAGS…

KIND is "gpu" or "tpu". PRECISION is a Keras dtype policy. PROGRAMS is one of
gradients and update, or both, separated by a comma. FLAGS are flags of
trainer/main.py. The step is the one that the trainer makes from these flags for
one replica; its dataset has the competition's classes and image sizes, but no
records. For a TPU, `gradients` needs tensorflow-tpu; everything else needs
TensorFlow.

  FOLDER/gradients.hlo    TrainStep.gradients; the weights are parameters
  FOLDER/update.hlo       TrainStep.update; the variables are parameters
  FOLDER/step.json        sizes of variables, features, …; written last
"""

import json
import os
import pathlib
import sys

# Must be set before TensorFlow is loaded.
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
# Otherwise Muon's identity matrices become 100 MB of constants in the update of
# resnet50_v2, and libtpu needs 11 GB to compile them.
os.environ["TF_XLA_FLAGS"] = "--tf_xla_disable_constant_folding=true"
os.environ["TPU_SKIP_MDS_QUERY"] = "1"
os.environ["TPU_ACCELERATOR_TYPE"] = "v5litepod-1"
os.environ["TPU_WORKER_HOSTNAMES"] = "localhost"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import tensorflow as tf
from absl import flags

from console import command
from flags.trainer import main_flags  # noqa: F401  It defines the flags.
from tfrecord_builder.records.dataset_info import (
    DatasetInfo,
    Grapheme,
    Image,
    Output,
    Shard,
    Split,
)
from trainer.augmentation.augment import Augmentation
from trainer.evaluation import output_weights
from trainer.runtime import devices
from trainer.runtime.devices import Devices
from trainer.stream.training_data import TrainingData
from trainer.training.recipe import Recipe
from trainer.training.train_step import TrainStep

_CLASSES = {
    "grapheme_root": 168,
    "vowel_diacritic": 11,
    "consonant_diacritic": 7,
}
_GRAPHEMES = 1295
_FOLDS = 5
_IMAGES = 200_840 // _FOLDS * _FOLDS
_HEIGHT, _WIDTH = 137, 236


def main() -> None:
    folder, kind, precision, programs, *arguments = sys.argv[1:]
    flags.FLAGS([sys.argv[0], "--data_dir=none", "--workdir=none", *arguments])
    devices.prepare("cpu")
    step, features = make_step(kind, precision)
    core = step.core
    weights = [
        [tf.convert_to_tensor(v.value) for v in variables]
        for variables in (
            core.trainable_variables,
            core.non_trainable_variables,
        )
    ]
    zero, one = tf.constant(0, tf.int64), tf.constant(1.0)
    calls = {
        "gradients": (step.gradients, (*weights, features, zero, one)),
        "update": (step.update, weights),
    }
    for name in programs.split(","):
        function, given = calls[name]
        compiled = tf.function(function, jit_compile=True, autograph=False)
        make_ir = compiled.experimental_get_compiler_ir(*given)
        # With variables TensorFlow can export only for an existing device.
        place = {"platform_name": kind.upper()} if name == "gradients" else {}
        hlo = make_ir(stage="hlo_serialized", **place)
        pathlib.Path(folder, f"{name}.hlo").write_bytes(hlo)
    sizes = {
        "batch": step.batch_size,
        "parts": step.parts,
        "xla": step.xla,
        "variables": sum(map(tensor_bytes, step.variables().values())),
        "features": sum(map(tensor_bytes, features.values())),
        "gradients": sum(map(tensor_bytes, [*weights[0], *weights[1]])),
        "images": _IMAGES // _FOLDS * (_FOLDS - 1),
        "epochs": flags.FLAGS.epochs,
        "tensorflow": tf.__version__,
    }
    path = pathlib.Path(folder, "step.json")
    path.with_suffix(".partial").write_text(json.dumps(sizes))
    path.with_suffix(".partial").replace(path)


def make_step(
    kind: str, precision: str
) -> tuple[TrainStep, dict[str, tf.Tensor]]:
    """Returns the trainer's step for the flags, and a batch of zeros."""
    info = make_info()
    data = TrainingData(
        "none",
        info,
        folds=info.folds[1:],
        evaluated={"validation": info.folds[:1]},
    )
    stream = command.with_flags(data.make_stream)
    recipe = command.with_flags(
        Recipe,
        augmentation=command.with_flags(Augmentation),
        output_weights=output_weights.parse(
            flags.FLAGS.output_weights, info, strict=False
        ),
    )
    used = Devices(tf.distribute.get_strategy(), kind, precision, kind)
    step, _ = recipe.make_step(stream, data, devices=used)
    specs = stream.dataset(0, 1).element_spec
    return step, {k: tf.zeros(s.shape, s.dtype) for k, s in specs.items()}


def make_info() -> DatasetInfo:
    """Returns a dataset like the competition's, without files."""
    fold = _IMAGES // _FOLDS
    bytes_a_record = _HEIGHT * _WIDTH + 50
    return DatasetInfo(
        image=Image(_HEIGHT, _WIDTH),
        source_image={"height": _HEIGHT, "width": _WIDTH},
        resize=None,
        outputs=tuple(
            Output(
                name,
                classes=tuple(map(str, range(size))),
                counts=(_IMAGES // size,) * size,
            )
            for name, size in _CLASSES.items()
        ),
        graphemes=tuple(
            Grapheme(
                str(index),
                labels=tuple(
                    index // stride % size
                    for stride, size in zip(
                        (1, 168, 168 * 11), _CLASSES.values(), strict=True
                    )
                ),
                count=_IMAGES // _GRAPHEMES,
                split="folds",
            )
            for index in range(_GRAPHEMES)
        ),
        splits={
            f"fold{number}": Split(
                fold,
                {name: (fold // n,) * n for name, n in _CLASSES.items()},
                (Shard(f"fold{number}", fold, fold * bytes_a_record, ""),),
            )
            for number in range(_FOLDS)
        },
        build={},
    )


def tensor_bytes(tensor: tf.Tensor | tf.Variable) -> int:
    dtype = tf.as_dtype(tensor.dtype)
    return tensor.shape.num_elements() * dtype.size


if __name__ == "__main__":
    main()
