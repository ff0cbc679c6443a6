"""Writes tiny datasets in the competition's layout.

    write_dataset(folder, num_images=60)    parquet files, train.csv …
    build_records(folder, records)          the real command, raw, 3 folds

Images show a pattern of their labels, so that a tiny net can learn them.
"""

import csv
import math
import pathlib
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tfrecord_builder import run
from tfrecord_builder.planning.plan import BuildRecipe

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUTPUTS = {"grapheme_root": 4, "vowel_diacritic": 3, "consonant_diacritic": 2}
RECIPE = BuildRecipe(
    image_height=12,
    image_width=16,
    image_encoding="raw",
    num_folds=3,
    unseen_graphemes=0.0,
    shard_mb=100,
    seed=0,
)


def draw_images(labels: np.ndarray, *, height=12, width=16, seed=0):
    """Returns [N, H, W] uint8 images that show their labels.

    The k-th of K label columns is the place of a bright column of pixels in
    the k-th of K bands of rows; noise of up to 60 lies over all of it.
    """
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 60, (len(labels), height, width), np.uint8)
    edges = np.linspace(0, height, labels.shape[1] + 1).astype(int)
    for k in range(labels.shape[1]):
        classes = int(labels[:, k].max(initial=0)) + 1
        step = max(1, width // classes)
        for image, label in zip(images, labels[:, k], strict=True):
            start = int(label) * step % width
            image[edges[k] : edges[k + 1], start : start + step] += 180
    return images


def draw_labels(num_images: int, *, outputs=None, seed=0) -> np.ndarray:
    """Returns [N, outputs] int64; every class of every output occurs."""
    outputs = outputs or OUTPUTS
    sizes = list(outputs.values())
    rng = np.random.default_rng(seed)
    labels = np.stack([rng.integers(0, n, num_images) for n in sizes], axis=1)
    for k, classes in enumerate(sizes):
        labels[: min(classes, num_images), k] = np.arange(classes)[:num_images]
    return labels.astype(np.int64)


def write_parquet(path, ids, images, *, row_group_size=None, **options):
    """Writes images [N, H, W] uint8 in columns '0', '1', … of pixels."""
    pixels = images.reshape(len(ids), math.prod(images.shape[1:]))
    columns = [pa.array(np.ascontiguousarray(c)) for c in pixels.T]
    names = ["image_id", *map(str, range(pixels.shape[1]))]
    table = pa.table([pa.array(list(ids), pa.string()), *columns], names=names)
    pq.write_table(table, path, row_group_size=row_group_size, **options)


def write_dataset(
    folder,
    *,
    num_images=60,
    height=12,
    width=16,
    outputs=None,
    num_files=2,
    row_group_size=None,
    seed=0,
    grapheme=True,
    class_map=True,
    prefix="train",
):
    """Writes a dataset and returns (ids, images, labels, graphemes).

    Args:
        folder: Where to; it is made.
        num_images: Images in all files together.
        height: Pixels.
        width: Pixels.
        outputs: Label column -> number of classes.
        num_files: Parquet files.
        row_group_size: Rows of a row group; None: all rows of a file.
        seed: Of labels and noise.
        grapheme: Whether train.csv has that column.
        class_map: Whether to write class_map.csv.
        prefix: "train", or "test" for a dataset without labels.
    """
    outputs = outputs or OUTPUTS
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    labels = draw_labels(num_images, outputs=outputs, seed=seed)
    images = draw_images(labels, height=height, width=width, seed=seed)
    ids = [f"{prefix.title()}_{i}" for i in range(num_images)]
    graphemes = ["ক" + "".join(map(str, row)) for row in labels.tolist()]
    for k, part in enumerate(np.array_split(np.arange(num_images), num_files)):
        write_parquet(
            folder / f"{prefix}_image_data_{k}.parquet",
            [ids[i] for i in part],
            images[part],
            row_group_size=row_group_size,
        )
    if prefix == "train":
        names = ["image_id", *outputs] + ["grapheme"] * grapheme
        rows = [
            [i, *row] + [g] * grapheme
            for i, row, g in zip(ids, labels.tolist(), graphemes, strict=True)
        ]
        write_csv(folder / "train.csv", [names, *rows])
        if class_map:
            write_class_map(folder / "class_map.csv", outputs)
    return ids, images, labels, graphemes


def write_class_map(path, outputs) -> None:
    rows = [
        [name, i, f"{name[:1]}{i}"]
        for name, classes in outputs.items()
        for i in range(classes)
    ]
    write_csv(path, [["component_type", "label", "component"], *rows])


def write_csv(path, rows) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def run_builder(*args, env=None) -> subprocess.CompletedProcess:
    """Runs the real command to its end."""
    return subprocess.run(
        [sys.executable, ROOT / "tfrecord_builder" / "main.py", *args],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=env,
        check=False,
    )


def build_records(folder, records, *flags) -> pathlib.Path:
    """Builds `folder` into `records`: raw, 3 folds, unless flags say else."""
    done = run_builder(
        f"--input_dir={folder}",
        f"--output_dir={records}",
        "--num_folds=3",
        "--source_height=12",
        "--source_width=16",
        *flags,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return pathlib.Path(records)


def build(input_dir, output_dir, recipe, **options):
    """Builds in this process; options that are not given are the command's."""
    options = {
        "background": "auto",
        "input_glob": "train_image_data_*.parquet",
        "labels_csv": "train.csv",
        "label_columns": None,
        "source_height": 0,
        "source_width": 0,
        "num_workers": 0,
        "spool_dir": None,
        "spool": "auto",
        "overwrite": False,
        "beam_options": None,
        **options,
    }
    return run.run(
        recipe=recipe,
        input_dir=str(input_dir),
        output_dir=str(output_dir),
        **options,
    )
