"""Trains presets over seeds and folds; prints mean and spread of the score.

    python benchmarks/score.py --data_dir=RECORDS --output_dir=DIR \\
        --seeds=0,1 --folds=0,1 [--variant="fmix: --cutmix=0 --fmix=0.5"] \\
        cpu_15min [PRESET ...]

Runs trainer/main.py, one run after the other, for each preset unchanged and
with the flags of each variant. "crossed" is the score by cross-fitting: the
calibration was chosen on examples that are not scored with it. The spread is
the standard deviation over seeds and folds. If the command was stopped, it
continues with the unfinished run. It also writes a row for each run to
DIR/score.csv.
"""

import csv
import dataclasses
import itertools
import json
import pathlib
import shlex
import statistics
import subprocess
import sys
import time

from absl import app, flags

ROOT = pathlib.Path(__file__).resolve().parent.parent
PRESETS = ROOT / "flags" / "presets"
FIGURES = ("score", "crossed", "plain", "unseen", "images/s", "minutes")

FLAGS = flags.FLAGS
_DATA = flags.DEFINE_string(
    "data_dir", None, "Folder with the records.", required=True
)
_OUTPUT = flags.DEFINE_string(
    "output_dir", None, "Folder for the runs.", required=True
)
_SEEDS = flags.DEFINE_list(
    "seeds", ["0"], "Seeds; each preset is trained with each of them."
)
_FOLDS = flags.DEFINE_list(
    "folds",
    ["0"],
    "Validation folds; each preset is trained with each of them.",
)
_VARIANTS = flags.DEFINE_multi_string(
    "variant",
    [],
    "Flags to train each preset with in addition to the unchanged preset, "
    'as "NAME: FLAGS". Can be repeated.',
)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A recipe to train: a name, and flags of trainer/main.py."""

    name: str
    flags: tuple[str, ...]


def main(argv: list[str]) -> None:
    recipes = make_recipes(argv[1:], _VARIANTS.value)
    rows = []
    for recipe, fold, seed in itertools.product(
        recipes, _FOLDS.value, _SEEDS.value
    ):
        rows.append(
            {"recipe": recipe.name, "fold": fold, "seed": seed}
            | train(recipe, fold=fold, seed=seed)
        )
        write_csv(pathlib.Path(_OUTPUT.value, "score.csv"), rows)
        print_table(rows)


def make_recipes(presets: list[str], variants: list[str]) -> list[Recipe]:
    """Returns each preset unchanged, and with each variant's flags."""
    if not presets:
        known = ", ".join(sorted(path.stem for path in PRESETS.glob("*.flags")))
        raise app.UsageError(f"give the presets to train: {known}")
    parsed: list[tuple[str, tuple[str, ...]]] = [("", ())]
    for variant in variants:
        name, colon, text = variant.partition(":")
        if not colon:
            raise app.UsageError(
                f'--variant={variant!r}: expected "NAME: FLAGS"'
            )
        parsed.append((f" + {name}", tuple(shlex.split(text))))
    return [
        Recipe(
            f"{preset}{name}",
            (f"--flagfile={PRESETS / preset}.flags", *more),
        )
        for preset in presets
        for name, more in parsed
    ]


def train(recipe: Recipe, *, fold: str, seed: str) -> dict:
    """Trains once, or reads the result of an earlier run."""
    name = f"{recipe.name}_fold{fold}_seed{seed}".replace(" + ", "_")
    workdir = pathlib.Path(_OUTPUT.value, name)
    time_path = workdir / "minutes.txt"  # Only if it was never stopped.
    began = time.monotonic()
    subprocess.run(
        [
            sys.executable,
            ROOT / "trainer" / "main.py",
            *recipe.flags,
            f"--data_dir={_DATA.value}",
            f"--workdir={workdir}",
            f"--validation_fold={fold}",
            f"--seed={seed}",
        ],
        check=True,
    )
    minutes = (time.monotonic() - began) / 60.0
    summary = json.loads((workdir / "summary.json").read_text("utf-8"))
    if len(summary["legs"]) > 1:
        minutes = None
    elif time_path.exists():
        minutes = float(time_path.read_text())
    else:
        time_path.write_text(f"{minutes}\n", encoding="utf-8")
    return read_figures(summary) | {"minutes": minutes}


def read_figures(summary: dict) -> dict:
    """Returns FIGURES, without the minutes, from a run's summary.json."""
    legs = [leg for leg in summary["legs"] if leg["seconds"]]
    seconds = sum(leg["seconds"] for leg in legs)
    return {
        "score": summary["score"],
        "crossed": summary["calibration"]["score"],
        "plain": summary["score_uncalibrated"],
        "unseen": summary["judged"].get("unseen", {}).get("score"),
        "images/s": sum(leg["images"] for leg in legs) / max(seconds, 1e-9),
    }


def print_table(rows: list[dict]) -> None:
    """Prints a row for each recipe: mean and spread of its runs."""
    print(f"\n| recipe | runs | {' | '.join(FIGURES)} |")
    print("|---" * (2 + len(FIGURES)) + "|")
    for name in dict.fromkeys(row["recipe"] for row in rows):
        runs = [row for row in rows if row["recipe"] == name]
        cells = [
            describe([run[figure] for run in runs if run[figure] is not None])
            for figure in FIGURES
        ]
        print(f"| {name} | {len(runs)} | {' | '.join(cells)} |", flush=True)


def describe(values: list[float]) -> str:
    """Returns the mean and, of several values, their standard deviation."""
    if not values:
        return ""
    digits = 4 if max(values) <= 1.0 else 1
    mean = f"{statistics.mean(values):.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(values):.{digits}f}"


def write_csv(path: pathlib.Path, rows: list[dict]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    app.run(main)
