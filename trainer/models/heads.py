"""From a feature map to logits: pooling, one head per output, a grapheme head.

The grapheme head has one class for every combination of labels in the training
data. The probability of a class is the mean over the graphemes with this class,
because macro recall asks for classes that are equally frequent. It is blended
with the probability from the output's own head, which also knows combinations
that are not in the training data.
"""

import dataclasses
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfrecord_builder.records.dataset_info import DatasetInfo

GRAPHEME = "grapheme"
_GEM_POWER = 3.0  # Radenovic et al. 2018, arXiv 1711.02512.
_SMALLEST = 1e-6
# Share of the graphemes in an output's log-probabilities. More is better for
# graphemes of the training data and worse for others: see docs/results.md.
_BLEND = 0.5


@dataclasses.dataclass(frozen=True)
class Graphemes:
    """The combinations of labels that are the classes of the grapheme head.

    Attributes:
        classes: Number of classes of each output.
        labels: For each grapheme, its class of each output.
    """

    classes: Mapping[str, int]
    labels: tuple[tuple[int, ...], ...]

    def index(self, features: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Returns each example's grapheme, [P] int32; -1 if it has none."""
        sizes = list(self.classes.values())
        table = np.full(sizes, -1, np.int32)
        table[tuple(np.transpose(self.labels))] = np.arange(len(self.labels))
        index = 0
        for name, size in self.classes.items():
            index = index * size + tf.cast(features[name], tf.int32)
        return tf.gather(table.reshape(-1), index)

    def decode(self, logits: Mapping[str, keras.KerasTensor]) -> dict:
        """Returns the logits of the outputs, blended with the grapheme head.

        Args:
            logits: For each output and for the grapheme head, [B, classes]
                float32.
        """
        probability = ops.softmax(logits[GRAPHEME])
        decoded = {}
        for position, (name, size) in enumerate(self.classes.items()):
            members = np.eye(size, dtype=np.float32)[
                [labels[position] for labels in self.labels]
            ]
            members /= np.maximum(members.sum(axis=0), 1.0)
            implied = ops.log(ops.matmul(probability, members) + _SMALLEST)
            own = ops.log_softmax(logits[name])
            decoded[name] = (1.0 - _BLEND) * own + _BLEND * implied
        return decoded


def make_graphemes(info: DatasetInfo, *more: DatasetInfo) -> Graphemes:
    """Returns the graphemes in the folds of `info` and in all of `more`."""
    folds = {g.labels for g in info.graphemes if g.split == "folds"}
    others = ({g.labels for g in other.graphemes} for other in more)
    return Graphemes(
        classes={output.name: len(output.classes) for output in info.outputs},
        labels=tuple(sorted(folds.union(*others))),
    )


def pool(
    features: keras.KerasTensor, kind: str, *, name: str
) -> keras.KerasTensor:
    """Pools a feature map [B, h, w, C] to [B, C].

    Args:
        features: The feature map.
        kind: "average"; "gem", a generalised mean with one learned exponent for
            each channel; "attention", a mean with learned weights for each
            position.
        name: Prefix of the layers' names.
    """
    if kind == "average":
        return keras.layers.GlobalAveragePooling2D(name=name)(features)
    channels = features.shape[-1]
    cells = ops.reshape(
        ops.cast(features, "float32"), (-1, 1, _cells(features), channels)
    )
    if kind == "attention":
        scores = keras.layers.Conv2D(
            1, 1, kernel_initializer="zeros", dtype="float32", name=name
        )(cells)
        return ops.sum(cells * ops.softmax(scores, axis=2), axis=(1, 2))
    # x^p is computed as exp(p log x), where a depthwise 1 x 1 convolution
    # multiplies by p. So the served model contains only layers of Keras.
    power, root = (
        keras.layers.DepthwiseConv2D(
            1,
            use_bias=False,
            depthwise_initializer=keras.initializers.Constant(value),
            dtype="float32",
            name=f"{name}_{what}",
        )
        for what, value in (("power", _GEM_POWER), ("root", 1.0 / _GEM_POWER))
    )
    powers = ops.exp(power(ops.log(ops.maximum(cells, _SMALLEST))))
    mean = ops.log(ops.mean(powers, axis=2, keepdims=True) + _SMALLEST**3)
    return ops.reshape(ops.exp(root(mean)), (-1, channels))


def _cells(features: keras.KerasTensor) -> int:
    return features.shape[1] * features.shape[2]
