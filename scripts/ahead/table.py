"""docs/accelerators.md: presets and the devices that they are compiled for."""

import datetime
import importlib.metadata

from ahead import pipeline
from ahead.environments import ROOT
from ahead.targets import TARGETS

PATH = ROOT / "docs" / "accelerators.md"
BEGIN, END = "<!-- scripts/aot.py --table: begin -->\n", "<!-- end -->\n"
# Each preset with its device, and with others that a run may resume on.
PAIRS = (
    ("t4", "t4"),
    ("t4", "l4"),
    ("l4_a100", "l4"),
    ("l4_a100", "a100"),
    ("tpu_v5e", "v5e"),
    ("tpu_v5e", "v6e"),
)
HEAD = (
    "| preset | device | batch | variables, batches | temporaries | of | fits "
    "| products | traffic | kernels | images/s at most | hours at least "
    "| limited by |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n"
)


def write() -> int:
    """Compiles each preset for its targets; returns the exit code.

    It prints the rows, and writes the table.
    """
    rows, all_fit = [], True
    for preset, target in PAIRS:
        result, found = pipeline.run(preset, target)
        all_fit &= found.fits
        cells = [
            f"`{preset}`",
            TARGETS[target].name,
            result["batch"],
            f"{result['argument_gb']} GB",
            f"{result['temp_gb']} GB",
            f"{result['device_gb']} GB",
            "yes" if found.fits else "**no**",
            f"{found.flops / 1e12:.2f} TFLOP",
            f"{found.moved / 1e9:.1f} GB",
            f"{found.kernels:,}",
            f"{found.images_per_second:,.0f}",
            f"{found.hours:.1f}",
            found.limit,
        ]
        rows.append("| " + " | ".join(map(str, cells)) + " |\n")
        print(rows[-1], end="", flush=True)
    before, _, rest = PATH.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    made = f"\nMade on {datetime.date.today()} with {versions()}.\n"
    text = "".join([before, BEGIN, HEAD, *rows, made, END, after])
    partial = PATH.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(PATH)
    return 0 if all_fit else 1


def versions() -> str:
    """Returns the versions of the exporters and compilers."""
    tensorflow = importlib.metadata.version("tensorflow")
    lines = (ROOT / "requirements-aot.txt").read_text().splitlines()
    pinned = [line.replace("==", " ") for line in lines if "==" in line]
    return ", ".join(
        [f"tensorflow {tensorflow}", "tensorflow-tpu 2.20"] + pinned
    )
