"""Checks the trainer on the accelerator of this machine, in ten minutes.

    python scripts/accelerator_check.py --output_dir=CHECK

It draws images, trains on them, and checks: the same losses as on the CPU,
exact resume after a kill, a run that continues on the CPU, the other commands,
memory that runs out, several GPUs, and the speed of each preset. Each result is
printed and written to CHECK/accelerator.json. The last line is a row for the
README's table of hardware. The exit code is 1 if a check fails. A check that is
impossible on this machine is "not run", with the reason.
"""

import datetime
import json
import pathlib
import sys
import traceback
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from absl import flags
from checks import agreement, memory, processes, speed
from checks.machine import Machine

from console import command
from flags import accelerator_check_flags
from storage import UserError, write_whole

FLAGS = flags.FLAGS
# In this order: if a check fails, the next ones are less useful.
CHECKS = {
    "losses": agreement.check_losses,
    "resume": agreement.check_resume,
    "move to the CPU": agreement.check_move,
    "commands": agreement.check_commands,
    "several GPUs": agreement.check_several,
    "out of memory": memory.check,
}


def main() -> int:
    """Runs every check; returns the exit code."""
    folder = pathlib.Path(FLAGS.output_dir).resolve()
    if folder.exists():
        raise UserError(f"--output_dir={folder} exists: give a new folder")
    machine = Machine.make(folder, num_images=FLAGS.num_images)
    report = {
        "finished": False,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "devices": machine.devices,
        "kind": machine.kind,
        "hardware": machine.hardware,
        "versions": machine.versions,
        "checks": {},
        "presets": {},
    }
    for name, check in CHECKS.items():
        report["checks"][name] = _try(name, check, machine)
        _write(folder, report)
    for preset in speed.presets(FLAGS.presets, machine.kind):
        report["presets"][preset] = _try(
            f"preset {preset}", lambda m, p=preset: speed.measure(m, p), machine
        )
        _write(folder, report)
    report["finished"] = True
    _write(folder, report)
    results = [*report["checks"].values(), *report["presets"].values()]
    failed = sum(result["ok"] is False for result in results)
    print(
        f"{failed} of {len(results)} checks failed; {folder}/accelerator.json"
    )
    print(row(report), flush=True)
    return 1 if failed else 0


def row(report: dict) -> str:
    """Returns the row for the README's table of hardware."""
    results = report["checks"]
    parts = [
        ", ".join(name for name in results if results[name]["ok"] is ok)
        for ok in (True, False, None)
    ]
    words = ("passed", "FAILED", "not run")
    pairs = zip(words, parts, strict=True)
    seen = "; ".join(f"{word}: {part}" for word, part in pairs if part)
    speeds = ", ".join(
        f"{name} {result['images_per_second']:.0f} images/s"
        for name, result in report["presets"].items()
        if result["ok"]
    )
    tensorflow = report["versions"]["tensorflow"]
    return (
        f"| {report['devices']} | {seen} | {speeds or 'no preset'} | "
        f"TensorFlow {tensorflow} | {report['date']} |"
    )


def _try(name: str, check: processes.Check, machine: Machine) -> dict:
    """Runs one check; an error is its result."""
    print(f"{name}: begins", flush=True)
    result: dict[str, Any]
    try:
        result = check(machine)
    except processes.NotRunError as reason:
        result = {"ok": None, "why": str(reason)}
    except Exception as error:  # The next checks are still useful.
        traceback.print_exc()
        result = {"ok": False, "why": f"{type(error).__name__}: {error}"}
    word = {True: "passed", False: "FAILED", None: "not run"}[result["ok"]]
    details = {key: value for key, value in result.items() if key != "ok"}
    print(f"{name}: {word}, {json.dumps(details)}", flush=True)
    return result


def _write(folder: pathlib.Path, report: dict) -> None:
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    write_whole(folder / "accelerator.json", text.encode())


if __name__ == "__main__":
    command.run(main, accelerator_check_flags, user_errors=(UserError,))
