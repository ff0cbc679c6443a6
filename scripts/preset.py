"""Prints the flagfile of the preset that fits the run or this machine.

    python scripts/preset.py --data_dir=RECORDS --workdir=DIR \\
        --backup_dir=DRIVE [other flags of trainer/main.py]

If the run has a backup, the preset is the one that the run was started with, on
any machine, because the net and the batch size belong to the run. Without a
backup the accelerator of this machine decides. The line on stderr shows which
of the two was the case.
"""

import json
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Sequence

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from absl import flags
from session import running

import storage
from console import command
from flags.trainer import main_flags
from storage import UserError
from trainer.backup import final_folder
from trainer.backup.generations import Generations

FLAGS = flags.FLAGS
ROOT = pathlib.Path(__file__).resolve().parents[1]
PRESETS = ("cpu_15min", "t4", "l4_a100", "tpu_v5e")
# What l4_a100 needs: 18.1 GB of memory, and bfloat16.
LARGE_GPU_MIB = 22_000
BFLOAT16_CAPABILITY = 8.0


def main() -> None:
    """Prints the path of the preset."""
    identity = read_identity(FLAGS.backup_dir) if FLAGS.backup_dir else None
    if identity is None:
        preset, why = choose_by_machine(), "no backup: chosen by this machine"
    else:
        preset = choose_by_run(identity, sys.argv)
        why = f"of the run in {FLAGS.backup_dir}"
    print(f"{preset}: {why}", file=sys.stderr)
    print(path_of(preset))


def path_of(preset: str) -> pathlib.Path:
    """Returns the path of a preset's flagfile."""
    return ROOT / "flags" / "presets" / f"{preset}.flags"


def read_identity(backup_dir: str) -> dict | None:
    """Returns the flags of the newest run in a backup folder, or None."""
    backups = Generations(storage.open_folder(backup_dir)).newest_first()
    manifests: list[dict | None] = [
        b.manifest for b in backups if b.manifest is not None
    ]
    manifests.append(
        final_folder.newest_manifest(final_folder.open_folder(backup_dir))
    )
    return next((m["identity"] for m in manifests if m), None)


def choose_by_run(identity: dict, argv: Sequence[str]) -> str:
    """Returns the preset that differs least from a run.

    Args:
        identity: The run's flags, as they are in its backup.
        argv: A command line of trainer/main.py; its flags override those of a
            preset.
    """

    def count_differences(preset: str) -> int:
        values = parse(preset, argv)
        return sum(
            identity[name] != value
            for name, value in values.items()
            if name in identity
        )

    return min(PRESETS, key=count_differences)


def parse(preset: str, argv: Sequence[str]) -> dict:
    """Returns the flags that a run's result depends on, as JSON values."""
    FLAGS.unparse_flags()
    FLAGS([argv[0], f"--flagfile={path_of(preset)}", *argv[1:]])
    found = FLAGS.get_key_flags_for_module(main_flags)
    values = {f.name: f.value for f in found if f.name not in main_flags.FREE}
    values.pop("extra_data_dir", None)  # A backup has its digest instead.
    return json.loads(json.dumps(values))


def choose_by_machine() -> str:
    """Returns the preset for the accelerator of this machine."""
    if running.has_tpu() and tensorflow_sees_tpu():
        return "tpu_v5e"
    gpus = list_gpus()
    if not gpus:
        return "cpu_15min"
    # The smallest of several GPUs decides.
    memory = min(memory for memory, _ in gpus)
    capability = min(capability for _, capability in gpus)
    large = memory >= LARGE_GPU_MIB and capability >= BFLOAT16_CAPABILITY
    return "l4_a100" if large else "t4"


def list_gpus() -> list[tuple[float, float]]:
    """Returns each NVIDIA GPU's memory in MiB and compute capability."""
    if not shutil.which("nvidia-smi"):
        return []
    done = subprocess.run(
        [
            "nvidia-smi",
            "--query-gpu=memory.total,compute_cap",
            "--format=csv,noheader,nounits",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return []
    rows = [line.split(",") for line in done.stdout.splitlines() if line]
    return [(float(memory), float(cap)) for memory, cap in rows]


def tensorflow_sees_tpu() -> bool:
    """Returns whether the trainer would find a TPU that works."""
    from trainer.runtime import devices  # Imports TensorFlow: takes seconds.

    try:
        used = devices.choose(
            accelerator="auto", virtual_devices=0, precision="auto", exact=False
        )
    except UserError:
        return False
    return used.kind == "tpu"


if __name__ == "__main__":
    command.run(main, main_flags, user_errors=(UserError,))
