"""A second dataset in the training stream, such as drawn samples.

A fixed number of examples of every batch comes from its records. It has its own
order and its own epochs, which are functions of (seed, step) as everywhere in
the stream.
"""

from collections.abc import Callable, Sequence

from storage import UserError
from tfrecord_builder.records import dataset_info
from tfrecord_builder.records.dataset_info import DatasetInfo
from trainer.stream import input_pipeline, order
from trainer.stream.input_pipeline import TrainStream

_STREAM = 3  # Makes its order independent of the other uses of the seed.


def read(data_dir: str, *, like: DatasetInfo) -> DatasetInfo:
    """Reads the information of a second dataset.

    Args:
        data_dir: Folder with its records.
        like: The main dataset.

    Raises:
        storage.UserError: It has other outputs, classes or kinds of images than
            the main dataset, or it is the main dataset itself.
    """
    info = dataset_info.read(data_dir)
    if info.digest() == like.digest():
        raise UserError(
            f"--extra_data_dir={data_dir} is the same dataset as --data_dir: "
            "the validation fold would be trained on, too; give another "
            "dataset"
        )
    for what, expected, got in (
        (
            "outputs and classes",
            {o.name: o.classes for o in like.outputs},
            {o.name: o.classes for o in info.outputs},
        ),
        (
            "image size",
            (like.image.height, like.image.width),
            (info.image.height, info.image.width),
        ),
        (
            "background",
            like.image.background,
            info.image.background,
        ),
    ):
        if expected != got:
            raise UserError(
                f"--extra_data_dir={data_dir} has another {what} than "
                f"--data_dir ({_differ(expected, got)}): build it with the "
                "same class_map.csv and the same builder flags"
            )
    return info


def _differ(expected: dict | tuple | str, got: dict | tuple | str) -> str:
    """Returns a text with the differences between two values of one kind."""
    if not (isinstance(expected, dict) and isinstance(got, dict)):
        return f"{got} against {expected}"
    names = [n for n in expected | got if expected.get(n) != got.get(n)]
    return ", ".join(names)


def share(batch_size: int, fraction: float) -> int:
    """Returns the number of examples of a batch from the second dataset.

    Raises:
        storage.UserError: The number is 0, or the whole batch.
    """
    count = round(batch_size * fraction)
    if not 0 < count < batch_size:
        raise UserError(
            f"--extra_fraction={fraction} of --global_batch_size={batch_size} "
            f"is {count} examples: expected 1 to {batch_size - 1}"
        )
    return count


def make_stream(
    info: DatasetInfo,
    data_dir: str,
    *,
    batch_size: int,
    window_mb: int,
    seed: int,
    fetch: Callable[[Sequence[bytes]], list[str]] | None = None,
) -> TrainStream:
    """Returns the stream of all splits of a second dataset.

    Args:
        info: The result of read().
        data_dir: Folder with its records.
        batch_size: Its examples in a step.
        window_mb: MiB of records that are shuffled together.
        seed: The run's seed.
        fetch: See TrainStream.
    """
    return input_pipeline.make_train_stream(
        info,
        data_dir,
        tuple(info.splits),
        batch_size=batch_size,
        window_mb=window_mb,
        seed=order.key(seed, _STREAM),
        draws=0,
        fetch=fetch,
    )
