"""A run of two variables, to be backed up, killed and resumed in a test.

run = make(folder, local)         a start of the command
step(run)                         a training step
run.callback.save()
abandon(run)                      the process is gone, as after a kill
"""

import dataclasses

import numpy as np
import tensorflow as tf

from storage.ownership import processes
from trainer.backup.backup_and_restore import BackupAndRestore
from trainer.backup.backup_folder import BackupFolder
from trainer.runtime.run_state import RunState

IDENTITY = {"seed": 0, "epochs": 3, "dataset": "d1"}


@dataclasses.dataclass
class Run:
    folder: BackupFolder
    state: RunState
    callback: BackupAndRestore


def make(
    url,
    local,
    *,
    identity=None,
    defaults=None,
    restart=False,
    settle=60.0,
    **options,
):
    """Returns a start of the command that has not yet begun."""
    folder = BackupFolder(
        str(url),
        identity=identity or IDENTITY,
        local_dir=local,
        settle_seconds=settle,
        defaults=defaults,
    )
    state = RunState(
        {
            "model/weight": tf.Variable([0.0, 1.0]),
            "optimizer/count": tf.Variable(0, dtype=tf.int64),
        },
        steps_per_epoch=100,
    )
    options = {
        "chief": True,
        "backup_every_seconds": 0,
        "backup_every_steps": 0,
        **options,
    }
    callback = BackupAndRestore(folder, state=state, restart=restart, **options)
    return Run(folder, state, callback)


def begin(url, local, **options):
    """Returns a start of the command that has taken the folder over."""
    run = make(url, local, **options)
    run.callback.on_train_begin()
    run.state.begin_leg(run.callback.leg, "a test", {}, run.callback.lost)
    run.callback.on_epoch_begin(0)
    return run


def step(run, count=1):
    """Takes steps whose result depends on all steps before them."""
    state = run.state
    for _ in range(count):
        state.step += 1
        weight = state.variables["model/weight"]
        weight.assign(weight * 0.5 + [state.step, 1.0])
        state.variables["optimizer/count"].assign_add(1)
        state.loss_sum += 1.0 / state.step


def save(run):
    """Saves and waits for it; returns whether it succeeded."""
    before = run.callback.saves
    run.callback.save()
    run.callback.wait()
    return run.callback.saves == before + 1


def abandon(run) -> None:
    """Leaves everything as a SIGKILL does."""
    folder = getattr(run, "callback", run).folder
    folder.lease.release = lambda: None
    folder.heartbeat.stop()


def weight(run) -> list[float]:
    return np.asarray(run.state.variables["model/weight"]).tolist()


def expected_weight(steps) -> list[float]:
    value = np.array([0.0, 1.0], np.float32)
    for k in range(1, steps + 1):
        value = value * np.float32(0.5) + np.array([k, 1.0], np.float32)
    return value.tolist()


def each_start_is_a_process(monkeypatch) -> None:
    """Makes every claim that is found look like one of a dead process."""
    monkeypatch.setattr(processes, "is_alive", lambda pid, start: False)
