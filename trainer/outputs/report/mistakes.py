"""Where a model is wrong: confused classes, and the mistakes it is surest of.

Everything here is a function of labels and probabilities; read_examples looks
up the images that are shown.
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
    """Examples of one class that are taken for another.

    Attributes:
        true: The class they are of.
        taken: The class they are taken for.
        count: How many there are.
        total: Examples of the true class.
        places: The surest first: which examples, by their place in the split.
    """

    true: int
    taken: int
    count: int
    total: int
    places: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Mistake:
    """An example that is taken for another class, and how surely."""

    place: int
    output: str
    true: int
    taken: int
    probability: float


@dataclasses.dataclass(frozen=True)
class Example:
    """A record: its id, the text that was written, and [H, W] uint8 pixels."""

    image_id: str
    grapheme: str
    image: np.ndarray


def find_confusions(
    labels: np.ndarray, probabilities: np.ndarray, *, limit: int
) -> list[Confusion]:
    """Returns the most frequent confusions of an output.

    Args:
        labels: [N] integers.
        probabilities: [N, C] floats; the largest is the answer.
        limit: How many to return at most.
    """
    answers = probabilities.argmax(axis=1)
    counts = metrics.confusion(labels, answers, probabilities.shape[1])
    totals = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    found = []
    for flat in np.argsort(-counts, axis=None, kind="stable")[:limit]:
        true, taken = divmod(int(flat), counts.shape[1])
        if not counts[true, taken]:
            break
        places = np.flatnonzero((labels == true) & (answers == taken))
        surest = np.argsort(-probabilities[places, taken], kind="stable")
        found.append(
            Confusion(
                true,
                taken,
                int(counts[true, taken]),
                int(totals[true]),
                tuple(places[surest].tolist()),
            )
        )
    return found


def find_surest(
    labels: Mapping[str, np.ndarray],
    probabilities: Mapping[str, np.ndarray],
    *,
    limit: int,
) -> list[Mistake]:
    """Returns the mistakes of highest probability, one an image.

    Args:
        labels: By output, [N] integers.
        probabilities: By output, [N, C] floats.
        limit: How many to return at most.
    """
    found: dict[int, Mistake] = {}
    for output, output_probabilities in probabilities.items():
        answers = output_probabilities.argmax(axis=1)
        for place in np.flatnonzero(answers != labels[output]).tolist():
            mistake = Mistake(
                place,
                output,
                int(labels[output][place]),
                int(answers[place]),
                float(output_probabilities[place].max()),
            )
            other = found.get(place)
            if other is None or mistake.probability > other.probability:
                found[place] = mistake
    return sorted(found.values(), key=lambda m: (-m.probability, m.place))[
        :limit
    ]


def read_examples(
    info: DatasetInfo,
    data_dir: str,
    splits: tuple[str, ...],
    places: Collection[int],
) -> dict[int, Example]:
    """Reads records of splits, in the order of the predictions."""
    wanted = tf.constant(sorted(places), tf.int64)
    paths = input_pipeline.shard_paths(info, data_dir, splits)
    records = (
        tf.data.TFRecordDataset(list(paths))
        .enumerate()
        .filter(lambda place, _: tf.reduce_any(place == wanted))
    )
    found = {}
    for place, record in records.as_numpy_iterator():
        features = example.read_example(record)
        found[int(place)] = Example(
            features["image_id"].decode(),
            features["grapheme"].decode(),
            _decode(features["image"], info.image),
        )
    return found


def _decode(data: bytes, image: Image) -> np.ndarray:
    if image.encoding == "png":
        return tf.io.decode_png(data, channels=1).numpy()[..., 0]
    pixels = np.frombuffer(data, np.uint8)
    return pixels.reshape(image.height, image.width)
