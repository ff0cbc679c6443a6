"""The mistakes of a model: confused classes, and its most confident mistakes.

Everything here is a function of labels and probabilities, except read_examples,
which reads the images for the page.
"""

import dataclasses
from collections.abc import Collection, Mapping

import numpy as np
import tensorflow as tf

from tfrecord_builder.records import example
from tfrecord_builder.records.dataset_info import DatasetInfo, Image
from trainer.evaluation import metrics
from trainer.stream import input_pipeline


@dataclasses.dataclass(frozen=True)
class Confusion:
    """Examples of one class that are predicted as another class.

    Attributes:
        true: The true class.
        taken: The predicted class.
        count: Number of these examples.
        total: Number of all examples of the true class.
        indices: Indices of these examples in the split, highest probability
            first.
    """

    true: int
    taken: int
    count: int
    total: int
    indices: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Mistake:
    """An example that is predicted as a wrong class.

    Attributes:
        index: The index of the example in the split.
        output: The output that is wrong.
        true: The true class.
        taken: The predicted class.
        probability: The probability of `taken`.
    """

    index: int
    output: str
    true: int
    taken: int
    probability: float


@dataclasses.dataclass(frozen=True)
class Example:
    """A record: its id, its grapheme as text, and [H, W] uint8 pixels."""

    image_id: str
    grapheme: str
    image: np.ndarray


def find_confusions(
    labels: np.ndarray, probabilities: np.ndarray, *, limit: int
) -> list[Confusion]:
    """Returns the most frequent confusions of an output.

    Args:
        labels: [N] integers.
        probabilities: [N, C] floats; the largest is the prediction.
        limit: Largest number of confusions to return.
    """
    answers = probabilities.argmax(axis=1)
    counts = metrics.confusion(labels, answers, probabilities.shape[1])
    totals = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    confusions = []
    for flat in np.argsort(-counts, axis=None, kind="stable")[:limit]:
        true, taken = divmod(int(flat), counts.shape[1])
        if not counts[true, taken]:
            break
        indices = np.flatnonzero((labels == true) & (answers == taken))
        surest = np.argsort(-probabilities[indices, taken], kind="stable")
        confusions.append(
            Confusion(
                true,
                taken,
                int(counts[true, taken]),
                int(totals[true]),
                tuple(indices[surest].tolist()),
            )
        )
    return confusions


def find_surest(
    labels: Mapping[str, np.ndarray],
    probabilities: Mapping[str, np.ndarray],
    *,
    limit: int,
) -> list[Mistake]:
    """Returns the mistakes of highest probability, one per image.

    Args:
        labels: For each output, [N] integers.
        probabilities: For each output, [N, C] floats.
        limit: Largest number of mistakes to return.
    """
    mistakes: dict[int, Mistake] = {}
    for output, output_probabilities in probabilities.items():
        answers = output_probabilities.argmax(axis=1)
        for index in np.flatnonzero(answers != labels[output]).tolist():
            mistake = Mistake(
                index,
                output,
                int(labels[output][index]),
                int(answers[index]),
                float(output_probabilities[index].max()),
            )
            other = mistakes.get(index)
            if other is None or mistake.probability > other.probability:
                mistakes[index] = mistake
    return sorted(mistakes.values(), key=lambda m: (-m.probability, m.index))[
        :limit
    ]


def read_examples(
    info: DatasetInfo,
    data_dir: str,
    splits: tuple[str, ...],
    indices: Collection[int],
) -> dict[int, Example]:
    """Reads some records of splits.

    Args:
        info: The dataset.
        data_dir: Folder of its shards.
        splits: Names of the splits, in the order of the predictions.
        indices: Indices of the records, counted over these splits.
    """
    wanted = tf.constant(sorted(indices), tf.int64)
    paths = input_pipeline.shard_paths(info, data_dir, splits)
    records = (
        tf.data.TFRecordDataset(list(paths))
        .enumerate()
        .filter(lambda index, _: tf.reduce_any(index == wanted))
    )
    examples = {}
    for index, record in records.as_numpy_iterator():
        features = example.read_example(record)
        examples[int(index)] = Example(
            example.bytes_of(features, "image_id").decode(),
            example.bytes_of(features, "grapheme").decode(),
            _decode(example.bytes_of(features, "image"), info.image),
        )
    return examples


def _decode(data: bytes, image: Image) -> np.ndarray:
    if image.encoding == "png":
        return tf.io.decode_png(data, channels=1).numpy()[..., 0]
    pixels = np.frombuffer(data, np.uint8)
    return pixels.reshape(image.height, image.width)
