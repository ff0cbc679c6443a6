"""From a preset to an estimate: exports, compiles, and stores the results.

Each step is a separate process, because the environments differ. Results of the
compilers are stored in .data/aot, by the program's digest and the target.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from ahead import environments, estimate
from ahead.environments import ROOT
from ahead.estimate import Estimate
from ahead.targets import TARGETS
from console.progress import Progress
from storage import UserError

PRESETS = ROOT / "flags" / "presets"
PROGRAMS = ("gradients", "update")
_HERE = pathlib.Path(__file__).resolve().parent
_KEPT = ROOT / ".data" / "aot"


def run(
    preset: str, target: str, more_flags: Sequence[str] = ()
) -> tuple[dict[str, Any], Estimate]:
    """Compiles a preset's step for a target.

    Args:
        preset: The name of a file in flags/presets.
        target: A key of TARGETS.
        more_flags: Flags of trainer/main.py that follow the preset's.

    Returns:
        The values of the last line of scripts/aot.py, and the estimate.

    Raises:
        UserError: There is no such preset, an environment cannot be made, or a
            process failed.
    """
    path = PRESETS / f"{preset}.flags"
    if not path.exists():
        names = sorted(file.stem for file in PRESETS.glob("*.flags"))
        raise UserError(
            f"--preset={preset}: there is no {path}; choose one of "
            f"{', '.join(names)}"
        )
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        step = _export(folder, target, [f"--flagfile={path}", *more_flags])
        programs = {
            program: _compile(folder / f"{program}.hlo", program, target)
            for program in PROGRAMS
        }
    found = estimate.make(TARGETS[target], step, programs)
    seconds = sum(program["seconds"] for program in programs.values())
    return {
        "target": target,
        "preset": preset,
        "batch": step["batch"],
        "argument_gb": round(found.arguments / 1e9, 2),
        "temp_gb": round(found.temporaries / 1e9, 2),
        "device_gb": round(found.memory / 1e9, 2),
        "fits": found.fits,
        "images_per_second": round(found.images_per_second),
        "compile_seconds": round(seconds),
    }, found


def make_environment(name: str) -> str:
    """Returns the interpreter of an environment; shows the progress.

    Raises:
        UserError: It cannot be made.
    """
    if environments.exists(name):
        return environments.make(name)
    try:
        with Progress(f"installing {environments.FILES[name][0]} into .data"):
            return environments.make(name)
    except environments.MakeError as error:
        raise UserError(str(error)) from None


def _export(
    folder: pathlib.Path, target: str, trainer_flags: Sequence[str]
) -> dict[str, Any]:
    """Writes the programs; returns the content of step.json."""
    kind, precision = TARGETS[target].kind, TARGETS[target].precision
    exports = {sys.executable: ",".join(PROGRAMS)}
    if kind == "tpu":
        exports = {
            make_environment("tpu"): PROGRAMS[0],
            sys.executable: PROGRAMS[1],
        }
    for python, programs in exports.items():
        with Progress(f"exporting {programs.replace(',', ' and ')}"):
            arguments = [folder, kind, precision, programs, *trainer_flags]
            _run([python, _HERE / "export.py", *arguments])
    return json.loads((folder / "step.json").read_text())


def _compile(program: pathlib.Path, name: str, target: str) -> dict[str, Any]:
    """Returns the result of compiling.py for a program, new or stored."""
    digest = hashlib.sha256(program.read_bytes())
    for source in ("hlo.py", "targets.py", "compiling.py"):
        digest.update((_HERE / source).read_bytes())
    digest.update((ROOT / environments.FILES["aot"][0]).read_bytes())
    result = _KEPT / f"{digest.hexdigest()}-{target}.json"
    if not result.exists():
        _KEPT.mkdir(parents=True, exist_ok=True)
        python = make_environment("aot")
        with Progress(f"compiling {name} for {TARGETS[target].name}"):
            _run([python, _HERE / "compiling.py", program, target, result])
    return json.loads(result.read_text())


def _run(command: Sequence[str | pathlib.Path]) -> None:
    """Runs a process until it ends.

    Raises:
        UserError: It failed; its last line is in the message.
    """
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        script = pathlib.Path(command[1]).name
        raise UserError(f"{script} ended with {done.returncode}: {lines[-1]}")
