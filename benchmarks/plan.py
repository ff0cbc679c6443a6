"""Measures time and memory of planning a build: the driver's part with Beam.

    python benchmarks/plan.py [--images=1000000,10000000]

It writes ids and labels like the competition's, with images of one pixel, and
lets the builder plan them in a separate process. It prints the memory in bytes
per image at the time when the first record could be written: the peak, and what
remains in use.
"""

import contextlib
import ctypes
import multiprocessing
import pathlib
import tempfile
import time
from typing import Never
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from absl import app, flags

from tfrecord_builder import run
from tfrecord_builder.building.local_engine import LocalEngine
from tfrecord_builder.planning.plan import BuildRecipe

_GRAPHEMES = 1295  # As in the competition.
_FILE_ROWS = 50_210  # As in the competition's files.

_IMAGES = flags.DEFINE_list(
    "images", ["1000000", "10000000"], "Numbers of images, one for each row."
)
_SCRATCH = flags.DEFINE_string(
    "scratch_dir",
    None,
    "Folder for temporary files. Default: the system's temporary folder.",
)


def main(argv: list[str]) -> None:
    del argv
    print("| images | seconds | peak, B an image | held, B an image |")
    print("|---|---|---|---|")
    spawn = multiprocessing.get_context("spawn")
    for count in map(int, _IMAGES.value):
        with tempfile.TemporaryDirectory(dir=_SCRATCH.value) as folder:
            draw(pathlib.Path(folder), count)
            draw(pathlib.Path(folder) / "few", 10_000)
            with spawn.Pool(1) as pool:
                costs = pool.apply(measure, (pathlib.Path(folder),))
        seconds, peak, held = costs
        print(
            f"| {count} | {seconds:.1f} | {peak / count:.0f} | "
            f"{held / count:.0f} |",
            flush=True,
        )


def draw(folder: pathlib.Path, count: int) -> None:
    """Writes a csv of labels, and parquet files of images with one pixel."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("কখগঘঙ্া"), 5)) for _ in range(_GRAPHEMES)]
    lines = [f"{g % 168},{g % 11},{g % 7},{t}" for g, t in enumerate(texts)]
    with open(folder / "train.csv", "w", encoding="utf-8") as csv:
        csv.write("image_id,root,vowel,consonant,grapheme\n")
        for start in range(0, count, _FILE_ROWS):
            ids = range(start, min(count, start + _FILE_ROWS))
            graphemes = rng.integers(0, _GRAPHEMES, len(ids)).tolist()
            csv.writelines(
                f"Train_{i},{lines[g]}\n"
                for i, g in zip(ids, graphemes, strict=True)
            )
            table = pa.table(
                {
                    "image_id": [f"Train_{i}" for i in ids],
                    "0": np.zeros(len(ids), np.uint8),
                }
            )
            name = f"train_image_data_{start // _FILE_ROWS}.parquet"
            pq.write_table(table, folder / name)


def measure(folder: pathlib.Path) -> tuple[float, int, int]:
    """Returns the seconds, the peak bytes, and the bytes in use at the end."""

    class PlannedError(Exception):
        """Ends the build before it writes shards."""

    def write_shards(*_: object) -> Never:
        held.append(memory("VmRSS"))
        raise PlannedError

    held: list[int] = []
    for source_dir in (
        folder / "few",
        folder,
    ):  # The first loads the libraries.
        before, start = memory("VmRSS"), time.monotonic()
        with (
            contextlib.suppress(PlannedError),
            mock.patch.object(LocalEngine, "write_shards", write_shards),
        ):
            run.run(
                recipe=BuildRecipe(137, 236, "raw", 5, 0.1, 100, 0),
                background="auto",
                input_dir=str(source_dir),
                output_dir=f"{source_dir}/out",
                input_glob="train_image_data_*.parquet",
                labels_csv="train.csv",
                label_columns=["root", "vowel", "consonant"],
                source_height=1,
                source_width=1,
                num_workers=0,
                spool_dir=None,
                spool="auto",
                overwrite=False,
                beam_options=None,
            )
    seconds = time.monotonic() - start
    return seconds, memory("VmHWM") - before, held[1] - before


def memory(field: str) -> int:
    """Returns a memory value of this process in bytes; frees memory before."""
    pa.default_memory_pool().release_unused()
    ctypes.CDLL(None).malloc_trim(0)
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) << 10
    raise ValueError(f"no {field} in /proc/self/status")


if __name__ == "__main__":
    app.run(main)
