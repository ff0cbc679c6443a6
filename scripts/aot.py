"""Compiles a preset's training step for an accelerator that this machine lacks.

    python scripts/aot.py --preset=t4 --target=t4
    python scripts/aot.py --preset=a100 --target=l4 -- --global_batch_size=256
    python scripts/aot.py --table

It shows the memory that the step needs, its operations and bytes, and the
images/s that they allow at most. Flags of trainer/main.py can follow a "--".
The last line is a JSON object. The exit code is 1 if the step does not fit with
a tenth of the memory free. The first start installs compilers into .data (1.5
GB, for a TPU 4 GB); compiling takes one to ten minutes.
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from absl import flags
from ahead import pipeline, table
from ahead.estimate import SPARE, Estimate
from ahead.targets import TARGETS

from console import command
from flags import aot_flags
from storage import UserError

FLAGS = flags.FLAGS


def main(more_flags: list[str]) -> int:
    """Compiles the preset in the flags; returns the exit code."""
    if FLAGS.table:
        if FLAGS.preset or FLAGS.target or more_flags:
            raise UserError(
                "--table compiles every preset unchanged: give no --preset, "
                "no --target and no other flags"
            )
        return table.write()
    for name in ("preset", "target"):
        if FLAGS[name].value is None:
            raise UserError(f"--{name} is missing (see --helpshort)")
    result, found = pipeline.run(FLAGS.preset, FLAGS.target, more_flags)
    show(result["batch"], found)
    print(json.dumps(result), flush=True)
    return 0 if found.fits else 1


def show(batch: int, found: Estimate) -> None:
    """Prints an estimate in a readable form."""
    used = found.arguments + found.temporaries
    verdict = "fits" if found.fits else "DOES NOT FIT"
    print(
        f"{TARGETS[FLAGS.target].name}, --preset={FLAGS.preset}, a step of "
        f"{batch} images:\n"
        f"  memory: {gigabytes(found.arguments)} of variables and batches, "
        f"{gigabytes(found.temporaries)} of temporaries, {gigabytes(used)} of "
        f"{gigabytes(found.memory)} in all: {verdict} with {SPARE:.0%} to spare"
    )
    if not found.images_per_second:
        print("  not compiled: the compiler refuses a step that does not fit")
        return
    parts = ", ".join(
        f"{name} {1e3 * seconds:.1f} ms"
        for name, seconds in found.seconds.items()
    )
    print(
        f"  work: {found.flops / 1e9:,.0f} GFLOP of products, "
        f"{gigabytes(found.moved)} read and written, {found.kernels:,} "
        f"kernels\n"
        f"  time: {parts}; {found.images_per_second:,.0f} images/s, "
        f"{found.hours:.1f} hours for the preset's epochs, at best\n"
        f"  limit: {found.limit}"
    )


def gigabytes(count: float) -> str:
    return f"{count / 1e9:.2f} GB"


if __name__ == "__main__":
    command.run(main, aot_flags, user_errors=(UserError,), takes_rest=True)
