"""Compares the training stream with a lower bound and the usual pipelines.

    python benchmarks/input_pipeline.py [--data_dir=RECORDS]

RECORDS holds raw images; without it 5,000 images are drawn and built. Every row
reads the same images for several epochs in this process, into uint8 batches and
labels that are not used further. Two speeds are printed: that of the first
epoch, which includes the start of the pipeline, and the median of the other
epochs. CPU time is that of all threads; on a busy machine it is more reliable
than the clock. Rows (e) and (f) are other people's pipelines and records, see
input_peers.py. Rows (c) and (f) read fewer images, because they are slow. Row
(c) runs on the CPU what an accelerator computes in training.
"""

import dataclasses
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import input_peers  # noqa: E402
import tensorflow as tf  # noqa: E402
from absl import app, flags  # noqa: E402

from tfrecord_builder.records import dataset_info
from tfrecord_builder.records.dataset_info import DatasetInfo, Shard
from trainer.augmentation import augment
from trainer.augmentation.augment import Augmentation
from trainer.models.preprocessing import Preprocessing
from trainer.stream import input_pipeline
from trainer.stream.input_pipeline import TrainStream
from trainer.stream.order import Order

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROWS = {
    "read": "(a) raw bytes of the records: the floor",
    "stream": "(b) our stream, windows of a tenth of the set",
    "memory": "(b') our stream, the set in one window: it stays in memory",
    "augmented": "(c) our stream, preprocessed and augmented to {size}",
    "png": "(d) our stream over PNG records",
    "common": "(e) parse_single_example, decode_png, shuffle, batch",
    "int64": "(f) the same over int64 lists in GZIP records",
}
# (row, peer, least ratio)
GOALS = (
    ("stream", "common", 3.0),
    ("stream", "int64", 6.0),
    ("memory", "common", 10.0),
    ("augmented", "common", 2.0),
)
_RESUME_AT = 0.9
_RESUME_GOAL = 0.05
_STARTS = 8
_INT64_SHARDS = 1

FLAGS = flags.FLAGS
_DATA = flags.DEFINE_string(
    "data_dir", None, "Folder with records; see the docstring of this file."
)
_EPOCHS = flags.DEFINE_integer("epochs", 4, "Number of epochs of each row.", 2)
_BATCH = flags.DEFINE_integer(
    "batch_size", 128, "Number of images in a batch.", 1
)
_SIZE = flags.DEFINE_integer(
    "size",
    64,
    "Height and width of the augmented images. 0: the stored size.",
    0,
)
_SCRATCH = flags.DEFINE_string(
    "scratch_dir",
    None,
    "Folder for temporary files. Default: the system's temporary folder.",
)


@dataclasses.dataclass
class Result:
    """The result of a row.

    Attributes:
        first: Images per second of the first epoch.
        later: Images per second, the median of the other epochs.
        cpu: CPU seconds per image, over all epochs.
    """

    first: float
    later: float
    cpu: float


def main(argv: list[str]) -> None:
    del argv
    with tempfile.TemporaryDirectory(dir=_SCRATCH.value) as scratch:
        scratch = pathlib.Path(scratch)
        data_dir = _DATA.value or draw(scratch)
        info = dataset_info.read(data_dir)
        paths = input_pipeline.shard_paths(info, data_dir, info.folds)
        shards = [s for fold in info.folds for s in info.splits[fold].shards]
        stream = make_stream(info, paths, shards, windows=10)
        rows = make_rows(info, paths, shards, stream, scratch)
        results = {name: measure(*row) for name, row in rows.items()}
        report(results, info)
        report_resume(stream, results["stream"])


def draw(folder: pathlib.Path) -> str:
    """Draws and builds 5,000 images with the project's own commands."""
    for command in (
        ["sample_data/main.py", "--num_images=5000"],
        ["tfrecord_builder/main.py", f"--input_dir={folder}/input"],
    ):
        output = "input" if "sample_data" in command[0] else "records"
        subprocess.run(
            [sys.executable, *command, f"--output_dir={folder}/{output}"],
            check=True,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
    return str(folder / "records")


def make_stream(
    info: DatasetInfo,
    paths: tuple[str, ...],
    shards: list[Shard],
    *,
    windows: int,
) -> TrainStream:
    """Returns the trainer's stream over `paths`.

    Args:
        info: The dataset.
        paths: Shard files.
        shards: Their information.
        windows: Number of windows in an epoch.
    """
    return TrainStream(
        info=info,
        paths=paths,
        order=Order(
            [shard.records for shard in shards],
            batch_size=_BATCH.value,
            shards_per_window=-(-len(shards) // windows),
            seed=0,
        ),
        draws=augment.NUM_DRAWS,
    )


def make_rows(
    info: DatasetInfo,
    paths: tuple[str, ...],
    shards: list[Shard],
    stream: TrainStream,
    scratch: pathlib.Path,
) -> dict[str, tuple[tf.data.Dataset, int]]:
    """Returns (dataset of all epochs, batches per epoch) of each row."""
    batch, epochs = _BATCH.value, _EPOCHS.value
    spe = stream.order.steps_per_epoch
    last = epochs * spe
    png_info, png = input_peers.transcode_to_png(info, paths, scratch)
    int64 = input_peers.transcode_to_int64(info, paths[:_INT64_SHARDS], scratch)
    raw = tf.data.TFRecordDataset(list(paths), buffer_size=8 << 20)
    memory = make_stream(info, paths, shards, windows=1)
    over_png = make_stream(png_info, png, shards, windows=10)
    common = input_peers.common_pipeline(info, png, batch)
    over_int64 = input_peers.int64_pipeline(info, int64, batch)
    int64_batches = sum(s.records for s in shards[:_INT64_SHARDS]) // batch
    return {
        "read": (raw.batch(batch, drop_remainder=True).repeat(epochs), spe),
        "stream": (stream.dataset(0, last), spe),
        "memory": (memory.dataset(0, last), spe),
        "augmented": (augmented(stream.dataset(0, spe), info), spe // epochs),
        "png": (over_png.dataset(0, last), spe),
        "common": (common.repeat(epochs), spe),
        "int64": (over_int64.repeat(epochs), int64_batches),
    }


def augmented(dataset: tf.data.Dataset, info: DatasetInfo) -> tf.data.Dataset:
    """Adds the preprocessing and augmentation of a training step."""
    preprocess = Preprocessing(
        _SIZE.value or info.image.height,
        _SIZE.value or info.image.width,
        crop=True,
    )
    augmentation = Augmentation(
        rotation=8.0,
        scale=0.12,
        shift=0.06,
        shear=0.15,
        cutmix=0.5,
        mix_group=8,
    )

    def change(
        features: dict[str, tf.Tensor],
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        labels = {
            output.name: tf.one_hot(features[output.name], len(output.classes))
            for output in info.outputs
        }
        images = preprocess(features["image"])
        return augmentation(images, labels, features["draws"])

    return dataset.map(change, num_parallel_calls=tf.data.AUTOTUNE).prefetch(1)


def measure(dataset: tf.data.Dataset, batches: int) -> Result:
    """Reads all epochs of a row."""
    speeds, began, cpu = [], time.monotonic(), time.process_time()
    index = 0
    for index, _ in enumerate(dataset):
        if (index + 1) % batches == 0:
            now = time.monotonic()
            speeds.append(batches * _BATCH.value / (now - began))
            began = now
    cpu = (time.process_time() - cpu) / ((index + 1) * _BATCH.value)
    return Result(speeds[0], statistics.median(speeds[1:]), cpu)


def report(results: dict[str, Result], info: DatasetInfo) -> None:
    """Prints the table and the goals."""
    size = f"{_SIZE.value or info.image.height} x "
    size += f"{_SIZE.value or info.image.width}"
    print(f"\n{os.cpu_count()} CPUs, batches of {_BATCH.value}\n")
    print("| row | images/s | first epoch | CPU us | x (a) | x (e) | x (f) |")
    print("|---|---|---|---|---|---|---|")
    for name, result in results.items():
        ratios = " | ".join(
            f"{result.later / results[peer].later:.2f}"
            for peer in ("read", "common", "int64")
        )
        print(
            f"| {ROWS[name].format(size=size)} | {result.later:.0f} | "
            f"{result.first:.0f} | {result.cpu * 1e6:.0f} | {ratios} |"
        )
    print("\n| goal | wanted | measured | |\n|---|---|---|---|")
    for row, peer, wanted in GOALS:
        measured = results[row].later / results[peer].later
        print_goal(
            f"{ROWS[row][: ROWS[row].index(' ')]} x {ROWS[peer][:3]}",
            f"at least {wanted:.0f}",
            f"{measured:.1f}",
            measured >= wanted,
        )


def report_resume(stream: TrainStream, result: Result) -> None:
    """Prints the extra time of a resume at 90 % of an epoch.

    Both a resume and a new start need one window, a tenth of the dataset,
    before the first batch. A pipeline that reads and skips earlier examples
    would need 90 % of the epoch's time.
    """
    epoch = stream.order.steps_per_epoch * _BATCH.value / result.later
    fresh, resumed = (
        first_batch_seconds(stream, share) / epoch for share in (0, _RESUME_AT)
    )
    print_goal(
        f"a resume at {_RESUME_AT:.0%} of an epoch: first batch after "
        f"{resumed:.1%} of its read time, a fresh start's after {fresh:.1%}",
        f"under {_RESUME_GOAL:.0%} more",
        f"{resumed - fresh:.1%}",
        resumed - fresh < _RESUME_GOAL,
    )


def first_batch_seconds(stream: TrainStream, share: float) -> float:
    """Returns the median seconds to the first batch at `share` of an epoch."""
    spe = stream.order.steps_per_epoch
    first = int(share * spe)
    # Graphs are built once per process; that time does not count.
    dataset = iter(stream.dataset(first, spe).repeat(_STARTS))
    seconds = []
    for _ in range(_STARTS):
        began = time.monotonic()
        next(dataset)
        seconds.append(time.monotonic() - began)
        for _ in range(first + 1, spe):
            next(dataset)
    return statistics.median(seconds[1:])


def print_goal(goal: str, wanted: str, measured: str, met: bool) -> None:
    print(f"| {goal} | {wanted} | {measured} | {'met' if met else 'MISSED'} |")


if __name__ == "__main__":
    app.run(main)
