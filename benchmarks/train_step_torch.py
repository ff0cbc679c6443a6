"""Compares the step of cpu_15min with a plain PyTorch loop on the same net.

    python3 -m venv .data/torch-venv
    .data/torch-venv/bin/pip install torch==2.13.0 numpy
    python benchmarks/train_step_torch.py --data_dir=RECORDS

PyTorch's step is the net, its loss and a fused AdamW on tensors in memory (see
train_step_torch_net.py). Ours is the real command with the unchanged preset:
input, preprocessing, augmentation, moving average, metrics and backups, once
with AdamW, and once with the preset's optimizer. The rows after these are the
parts of both. Every row is a separate process; the rows run in turn, several
times, and their medians are printed.
"""

import pathlib
import statistics
import sys
from collections.abc import Iterator

import train_step
from absl import app, flags

ROOT = pathlib.Path(__file__).resolve().parents[1]
HERE = ROOT / "benchmarks"
PRESET = ROOT / "flags" / "presets" / "cpu_15min.flags"
PRECISIONS = ("float32", "mixed_bfloat16")
# Wanted speed of the command, relative to PyTorch, by optimizer.
GOALS = {"adamw": 1.0, "muon": 0.9}

FLAGS = flags.FLAGS
_TORCH = flags.DEFINE_string(
    "torch_python",
    str(ROOT / ".data" / "torch-venv" / "bin" / "python"),
    "The Python of an environment with PyTorch.",
)


def main(argv: list[str]) -> None:
    del argv
    if not pathlib.Path(_TORCH.value).exists():
        raise app.UsageError(
            f"--torch_python={_TORCH.value} does not exist: {__doc__}"
        )
    turns = {}
    for _ in range(FLAGS.turns):
        for name, figures in measure_all():
            print(name, figures, file=sys.stderr, flush=True)
            turns.setdefault(name, []).append(figures)
    seconds = {
        name: {
            part: statistics.median(figures[part] for figures in of_turns)
            for part in of_turns[0]
        }
        for name, of_turns in turns.items()
    }
    report(seconds)


def measure_all() -> Iterator[tuple[tuple[str, str], dict[str, float]]]:
    """Yields each row's name, and the seconds of its parts in a step."""
    batch, steps = str(FLAGS.batch_size), str(FLAGS.steps)
    for precision in PRECISIONS:
        yield (
            ("PyTorch, AdamW", precision),
            train_step.run(
                [
                    _TORCH.value,
                    HERE / "train_step_torch_net.py",
                    precision,
                    batch,
                    steps,
                ]
            ),
        )
        for optimizer in GOALS:
            more = [f"--flagfile={PRESET}", f"--optimizer={optimizer}"]
            yield (
                (f"ours, {optimizer}", precision),
                train_step.run(
                    [
                        sys.executable,
                        HERE / "train_step_parts.py",
                        precision,
                        batch,
                        steps,
                        *more,
                    ]
                ),
            )
            image = train_step.measure(
                "ours", [*more, f"--precision={precision}"]
            )
            yield (
                (f"the command, {optimizer}", precision),
                {"step": image["image"][0] * FLAGS.batch_size},
            )


def report(seconds: dict[tuple[str, str], dict[str, float]]) -> None:
    """Prints images/s of every part, and whether the goals are met."""
    print(f"\n{FLAGS.turns} turns of {FLAGS.steps} steps of {FLAGS.batch_size}")
    print("\n| what | precision | part | ms | images/s | x PyTorch's step |")
    print("|---|---|---|---|---|---|")
    for (name, precision), parts in seconds.items():
        bare = seconds["PyTorch, AdamW", precision]["step"]
        for part, value in parts.items():
            print(
                f"| {name} | {precision} | {part} | {1000 * value:.1f} | "
                f"{FLAGS.batch_size / value:.0f} | {bare / value:.2f} |"
            )
    for optimizer, goal in GOALS.items():
        precision = PRECISIONS[-1]
        ours = seconds[f"the command, {optimizer}", precision]["step"]
        ratio = seconds["PyTorch, AdamW", precision]["step"] / ours
        print(
            f"goal: the command with {optimizer} at least {goal} x PyTorch's "
            f"bare step in bfloat16: {ratio:.2f} "
            f"{'met' if ratio >= goal else 'MISSED'}"
        )


if __name__ == "__main__":
    # resnet9 at the preset's size.
    FLAGS.set_default("backbone", "resnet9")
    FLAGS.set_default("size", 64)
    app.run(main)
