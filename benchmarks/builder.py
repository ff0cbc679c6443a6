"""Compares the builder with a lower bound and with the usual recipes.

    python benchmarks/builder.py --input_dir=DIR [--rows=ours_raw,write_floor]
    python benchmarks/builder.py --rows=ours_raw,ours_beam1,ours_beam2 \\
        --beam_python=PYTHON

DIR holds train_image_data_*.parquet of 137 x 236 images (one file if a peer is
measured), train.csv and class_map.csv. Without --input_dir, sample_data draws
10,000 images, in four files if no peer is measured. Every row measures complete
processes, including their start. The peak memory is the sum of the RSS of the
process and all its children, read from /proc every 20 ms. The recipes need
pandas.
"""

import dataclasses
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from absl import app, flags

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROWS = {
    "read_floor": "(a) pyarrow + to_tensor",
    "write_floor": "(b) the same + write the bytes",
    "ours_raw": "(c) the builder, raw",
    "ours_png": "(d) the builder, PNG",
    "png_recipe": "(e) pandas, encode_png, Example",
    "int64_recipe": "(f) int64 list + GZIP",
    "ours_beam1": "(g) the builder, raw, Beam with 1 worker",
    "ours_beam2": "(h) the builder, raw, Beam with 2 workers",
}
# With these options Beam's DirectRunner starts worker processes.
BEAM_OPTIONS = ["--direct_running_mode=multi_processing"]
_SAMPLE_SECONDS = 0.02

FLAGS = flags.FLAGS
_INPUT = flags.DEFINE_string(
    "input_dir",
    None,
    "Folder of parquet files; see the docstring of this file.",
)
_ROWS = flags.DEFINE_list(
    "rows",
    [name for name in ROWS if "beam" not in name],
    f"Which of {', '.join(ROWS)}.",
)
_BEAM_PYTHON = flags.DEFINE_string(
    "beam_python",
    None,
    "For the rows of Beam: the Python interpreter of an environment with "
    "requirements-beam.txt.",
)
_REPEATS = flags.DEFINE_integer(
    "repeats", 3, "Number of runs of each row; the fastest counts.", 1
)
_WORKERS = flags.DEFINE_integer(
    "num_workers", 0, "The builder's --num_workers.", 0
)
_SCRATCH = flags.DEFINE_string(
    "scratch_dir",
    None,
    "Folder for temporary files. Default: the system's temporary folder.",
)


@dataclasses.dataclass
class Result:
    images: int
    seconds: float
    cpu_seconds: float
    bytes: int
    rss: int

    @property
    def speed(self) -> float:
        return self.images / self.seconds


def main(argv: list[str]) -> None:
    del argv
    if not _BEAM_PYTHON.value and any("beam" in n for n in _ROWS.value):
        raise app.UsageError("give --beam_python for the rows of Beam")
    with tempfile.TemporaryDirectory(dir=_SCRATCH.value) as scratch:
        scratch = pathlib.Path(scratch)
        only_ours = all(name.startswith("ours") for name in _ROWS.value)
        folder = pathlib.Path(
            _INPUT.value or draw(scratch / "input", 4 if only_ours else 1)
        )
        parquet, *more = sorted(folder.glob("train_image_data_*.parquet"))
        if more and not only_ours:
            raise app.UsageError(f"{folder}: peers read one parquet file only")
        for path in (parquet, *more):
            path.read_bytes()  # Then it is in the page cache for every row.
        results: dict[str, Result] = {}
        for _ in range(_REPEATS.value):  # Rows in turn: equal conditions.
            for name in _ROWS.value:
                result = measure(name, folder, parquet, scratch / "output")
                best = results.get(name)
                if best is None or result.seconds < best.seconds:
                    results[name] = result
        report(results)


def draw(folder: pathlib.Path, num_files: int) -> pathlib.Path:
    """Draws 10,000 images with the project's own command."""
    command = [sys.executable, ROOT / "sample_data" / "main.py"]
    command += [f"--output_dir={folder}", "--num_images=10000"]
    command += [f"--num_train_files={num_files}"]
    subprocess.run(command, check=True, cwd=ROOT)
    return folder


def measure(
    name: str, folder: pathlib.Path, parquet: pathlib.Path, output: pathlib.Path
) -> Result:
    """Runs one row as a process and measures it."""
    python = sys.executable
    if name.startswith("ours"):
        command = [ROOT / "tfrecord_builder" / "main.py"]
        command += [f"--input_dir={folder}", f"--output_dir={output}"]
        command += [f"--num_workers={_WORKERS.value}"]
        if "beam" in name:
            python = _BEAM_PYTHON.value or python
            command += ["--engine=beam", "--", *BEAM_OPTIONS]
            command += [f"--direct_num_workers={name[-1]}"]
        else:
            command += [f"--image_encoding={name.removeprefix('ours_')}"]
    else:
        command = [ROOT / "benchmarks" / "builder_peers.py", name]
        command += [parquet, folder / "train.csv", output]
    log = output.with_suffix(".log")
    with open(log, "w") as sink:
        start = time.monotonic()
        process = subprocess.Popen(
            [python, *map(str, command)], stdout=sink, stderr=sink
        )
        rss, cpu = 0, 0.0
        while process.poll() is None:
            now, cpu_now = sample(process.pid)
            rss, cpu = max(rss, now), max(cpu, cpu_now)
            time.sleep(_SAMPLE_SECONDS)
        seconds = time.monotonic() - start
    text = log.read_text()
    if process.returncode:
        raise RuntimeError(f"{name} failed:\n{text}")
    words = text.split()
    images = int(words[words.index("images") - 1])
    size = sum(
        file.stat().st_size
        for file in [output, *output.glob("*.tfrecord")]
        if file.is_file()
    )
    shutil.rmtree(output) if output.is_dir() else output.unlink(missing_ok=True)
    return Result(images, seconds, cpu, size, rss)


def sample(pid: int) -> tuple[int, float]:
    """Returns (RSS in bytes, CPU seconds) of a process and its children."""
    rss, cpu, todo = 0, 0.0, [pid]
    while todo:
        folder = pathlib.Path("/proc") / str(todo.pop())
        try:
            rss += int((folder / "statm").read_text().split()[1]) * 4096
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            cpu += (int(fields[11]) + int(fields[12])) / 100
            for task in (folder / "task").iterdir():
                todo += map(int, (task / "children").read_text().split())
        except OSError:
            continue  # It has ended.
    return rss, cpu


def report(results: dict[str, Result]) -> None:
    peers = ("write_floor", "png_recipe", "int64_recipe")
    peers = [name for name in peers if name in results]
    print(
        "| row | images/s | seconds | CPU s | MB | peak RSS MB |"
        + "".join(f" x {ROWS[n][:3]} |" for n in peers)
    )
    print("|" + "---|" * (6 + len(peers)))
    for name, r in results.items():
        print(
            f"| {ROWS[name]} | {r.speed:.0f} | {r.seconds:.1f} | "
            f"{r.cpu_seconds:.1f} | {r.bytes / 1e6:.0f} | {r.rss / 1e6:.0f} |"
            + "".join(f" {r.speed / results[n].speed:.2f} |" for n in peers)
        )


if __name__ == "__main__":
    app.run(main)
