"""Checks that numbers agree: with the CPU, after a kill, on several GPUs."""

import csv
import json

from checks import processes
from checks.machine import Machine, Run
from checks.processes import NotRunError

# Largest relative difference of the mean loss of an epoch from the CPU's.
FLOAT32_BOUND = 1e-3  # Sums in another order.
MIXED_BOUND = 0.05  # bfloat16 has 8 bits, float16 11.
SCORE_BOUND = 0.02  # One image of a rare class with another prediction.


def check_losses(machine: Machine) -> dict:
    """Checks that the losses of 20 steps are those of the CPU."""
    if machine.kind == "cpu":
        raise NotRunError("there is no accelerator to compare with the CPU")
    on_cpu = Run(machine.folder, "cpu", "--precision=float32")
    on_cpu.start("--accelerator=cpu").wait()
    float32 = Run(machine.folder, "float32", "--precision=float32")
    float32.start().wait()
    return _judge(
        {
            "float32": (_far(float32, on_cpu), FLOAT32_BOUND),
            "as chosen": (_far(machine.small, on_cpu), MIXED_BOUND),
        }
    )


def check_resume(machine: Machine) -> dict:
    """Checks that a killed run ends with the bits of an undisturbed run."""
    run = Run(machine.folder, "killed")
    resumed = _kill_and_resume(run)
    digests = {r.summary()["final_state_sha256"] for r in (run, machine.small)}
    return {"ok": len(digests) == 1, "resumed": resumed}


def check_move(machine: Machine) -> dict:
    """Checks that a run that was killed can resume on the CPU."""
    if machine.kind == "cpu":
        raise NotRunError("there is no accelerator to move from")
    run = Run(machine.folder, "moved")
    resumed = _kill_and_resume(run, "--accelerator=cpu")
    result = _judge({"loss": (_far(run, machine.small), MIXED_BOUND)})
    return result | {"resumed": resumed}


def check_commands(machine: Machine) -> dict:
    """Checks that evaluate, predict, report and export work, and agree."""
    run, folder = machine.small, machine.folder / "commands"
    model = f"--model={run.workdir / 'model.keras'}"
    records = f"--data_dir={machine.folder / 'small' / 'records'}"
    summary = run.summary()
    scores = folder / "scores.json"
    processes.run(
        "trainer/evaluate.py",
        model,
        records,
        f"--output={scores}",
        log=folder / "evaluate.log",
    )
    score = json.loads(scores.read_text("utf-8"))["score"]
    submission = folder / "submission.csv"
    processes.run(
        "trainer/predict.py",
        model,
        f"--input_dir={machine.folder / 'small' / 'images'}",
        f"--output={submission}",
        log=folder / "predict.log",
    )
    processes.run(
        "trainer/report.py",
        f"--workdir={run.workdir}",
        records,
        log=folder / "report.log",
    )
    processes.run(
        "trainer/export.py",
        model,
        "--format=saved_model",
        f"--output={folder / 'exported'}",
        log=folder / "export.log",
    )
    with open(submission, encoding="utf-8") as file:
        rows = len(list(csv.DictReader(file)))
    result = _judge({"score": (abs(score - summary["score"]), SCORE_BOUND)})
    return result | {"rows of the submission": rows}


def check_several(machine: Machine) -> dict:
    """Checks that several GPUs give the losses of one GPU."""
    gpus = len(machine.hardware)
    if machine.kind != "gpu" or gpus < 2:
        raise NotRunError(f"there are {gpus} GPUs")
    one = Run(machine.folder, "one_gpu")
    one.start(env={"CUDA_VISIBLE_DEVICES": "0"}).wait()
    return _judge({"loss": (_far(machine.small, one), MIXED_BOUND)})


def _kill_and_resume(run: Run, *flags: str) -> str:
    """Kills a run after its first backup; returns its line about the resume.

    Raises:
        RuntimeError: The run ended before it could be killed.
    """
    process = run.start()
    if process.wait(until=run.has_backup):
        raise RuntimeError(f"{run.log}: it ended before it could be killed")
    process.kill()
    run.start(*flags).wait()
    return run.first_line("RESUMED ")


def _far(run: Run, other: Run) -> float:
    """Returns the greatest relative difference of the mean losses."""
    pairs = zip(run.losses(), other.losses(), strict=True)
    return max(abs(a - b) / abs(b) for a, b in pairs)


def _judge(found: dict[str, tuple[float, float]]) -> dict:
    """Returns the differences, and whether all are within their bounds."""
    return {"ok": all(value <= bound for value, bound in found.values())} | {
        name: {"difference": value, "bound": bound}
        for name, (value, bound) in found.items()
    }
