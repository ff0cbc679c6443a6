"""Compares our training loop, and its start, with plain Keras.

    python benchmarks/train_step.py --data_dir=RECORDS

Our row is the real command, with its input pipeline, metrics, TensorBoard
events and a backup every 10 s. Every row is a separate process (see
train_step_peers.py). The rows run in turn, several times, and their medians are
printed. CPU time is that of all threads; on a busy machine it is more reliable
than the clock.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
from typing import Any

from absl import app, flags

PEERS = pathlib.Path(__file__).with_name("train_step_peers.py")
_AUGMENTATIONS = ("rotation", "scale", "shift", "shear", "cutmix")
_BACKUPS = "--backup_every_seconds=10"
# By name: description, row of train_step_peers.py, its arguments.
ROWS = {
    "ours": (
        "our loop without augmentation",
        "ours",
        [_BACKUPS, *(f"--{name}=0" for name in _AUGMENTATIONS)],
    ),
    "fit": ("Model.fit on tensors in memory", "fit", []),
    "plain": ("Model.fit without XLA", "fit", ["off"]),
    "augmented": ("our loop as it comes, augmented", "ours", [_BACKUPS]),
    "bare": ("a bare script: import, build, one step", "bare", []),
    "notebook": ("numpy batches into Model.fit", "notebook", []),
}
_SPEED_GOAL = 0.97
_START_GOAL = 1.3

FLAGS = flags.FLAGS
_DATA = flags.DEFINE_string(
    "data_dir", None, "Folder with the records.", required=True
)
_BACKBONE = flags.DEFINE_string("backbone", "small", "The backbone to train.")
_SIZE = flags.DEFINE_integer(
    "size", 0, "Height and width of the net's input. 0: the stored size.", 0
)
_BATCH = flags.DEFINE_integer(
    "batch_size", 128, "Number of images in a step.", 8
)
_STEPS = flags.DEFINE_integer(
    "steps", 60, "Number of steps that are measured each time a row runs.", 2
)
_TURNS = flags.DEFINE_integer(
    "turns", 2, "Number of times that each row runs.", 1
)


def main(argv: list[str]) -> None:
    del argv
    turns = {name: [] for name in ROWS}
    for _ in range(_TURNS.value):
        for name, (_, row, arguments) in ROWS.items():
            turns[name].append(measure(row, arguments))
            print(name, turns[name][-1], file=sys.stderr, flush=True)
    report({name: medians(figures) for name, figures in turns.items()})


def measure(row: str, arguments: list[str]) -> dict[str, list[float]]:
    """Returns the result of a row's process."""
    command = [sys.executable, str(PEERS), row, str(_STEPS.value)]
    command += [_DATA.value, _BACKBONE.value, str(_SIZE.value)]
    return run([*command, str(_BATCH.value), *arguments])


def run(command: list[str | pathlib.Path]) -> Any:
    """Runs a script of this folder, and returns the JSON that it printed."""
    root = PEERS.parent.parent
    done = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": f"{root}:{root / 'scripts'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def medians(turns: list[dict[str, list[float]]]) -> dict[str, list[float]]:
    """Returns the median of each value over the turns, by clock and CPU."""
    return {
        figure: [
            statistics.median(values)
            for values in zip(*(turn[figure] for turn in turns), strict=True)
        ]
        for figure in turns[0]
    }


def report(figures: dict[str, dict[str, list[float]]]) -> None:
    """Prints both tables and the goals.

    Args:
        figures: For each row and value: seconds by the clock, and of CPU time.
    """
    size = f"{_SIZE.value} x {_SIZE.value}" if _SIZE.value else "stored size"
    print(
        f"\n{os.cpu_count()} CPUs, {_BACKBONE.value} at {size}, {_TURNS.value} "
        f"turns of {_STEPS.value} steps of {_BATCH.value}"
    )
    image, start = (
        {name: row[figure] for name, row in figures.items() if figure in row}
        for figure in ("image", "start")
    )
    fit = [min(pair) for pair in zip(image["fit"], image["plain"], strict=True)]
    print("\n| row | images/s | x the best fit | CPU ms an image | x |")
    print("|---|---|---|---|---|")
    for name, (clock, cpu) in image.items():
        print(
            f"| {ROWS[name][0]} | {1 / clock:.0f} | {fit[0] / clock:.2f} | "
            f"{1000 * cpu:.2f} | {cpu / fit[1]:.2f} |"
        )
    print("\n| row | s to the first step | x | CPU s | x |")
    print("|---|---|---|---|---|")
    for name, (clock, cpu) in start.items():
        print(
            f"| {ROWS[name][0]} | {clock:.1f} | {clock / start['bare'][0]:.2f} "
            f"| {cpu:.1f} | {cpu / start['bare'][1]:.2f} |"
        )
    cost = ratios(image["augmented"], image["ours"])
    print(f"\naugmentation: {cost[0]:.2f} x the time, {cost[1]:.2f} x the CPU")
    print_goal(
        f"speed at least {_SPEED_GOAL} x the best fit's",
        [(ratio, ratio >= _SPEED_GOAL) for ratio in ratios(fit, image["ours"])],
    )
    later = ratios(start["ours"], start["bare"])
    print_goal(
        f"start at most {_START_GOAL} x the bare script's, the same step",
        [(ratio, ratio <= _START_GOAL) for ratio in later],
    )


def ratios(pair: list[float], peer: list[float]) -> list[float]:
    """Returns each value divided by that of the peer."""
    return [ours / theirs for ours, theirs in zip(pair, peer, strict=True)]


def print_goal(goal: str, results: list[tuple[float, bool]]) -> None:
    """Prints the ratios by clock and by CPU time, and whether they are met."""
    clock, cpu = (
        f"{ratio:.2f} {'met' if met else 'MISSED'}" for ratio, met in results
    )
    print(f"goal: {goal}: {clock} by the clock, {cpu} by CPU time")


if __name__ == "__main__":
    app.run(main)
