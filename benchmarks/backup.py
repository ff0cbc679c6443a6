"""Measures the cost of backups: lost time, memory, and the start of a resume.

  python benchmarks/backup.py [--data_dir=RECORDS]

A state of 20 million parameters (weights, their average, two moments, the best
weights) is saved while a loop computes. It is compared with what Keras's own
BackupAndRestore does at each save: model.save_weights() in the loop. With
--data_dir the real command is started, stopped, and started again. Prints one
JSON object.
"""

import argparse
import json
import math
import os
import pathlib
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from trainer.backup.backup_and_restore import BackupAndRestore
from trainer.backup.backup_folder import BackupFolder
from trainer.runtime import named_variables
from trainer.runtime.run_state import RunState

ROOT = pathlib.Path(__file__).resolve().parent.parent
PARAMETERS = 20_000_000
CADENCE = 300.0  # Seconds: the default of --backup_every_seconds.
ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data_dir", help="records, to time real starts")
    args = parser.parse_args()
    results = {"parameters": PARAMETERS, "cpus": os.cpu_count()}
    with tempfile.TemporaryDirectory() as folder:
        results |= cost_of_a_save(pathlib.Path(folder))
        if args.data_dir:
            results |= cost_of_a_start(
                os.path.abspath(args.data_dir), pathlib.Path(folder)
            )
    print(json.dumps(results, indent=1))


def cost_of_a_save(folder: pathlib.Path) -> dict:
    """Returns the seconds lost per save, ours and Keras's, and the memory."""
    model = keras.Sequential(
        [keras.Input((1000,))]
        + [keras.layers.Dense(1000, use_bias=False) for _ in range(20)]
    )
    model.compile(optimizer=keras.optimizers.AdamW())
    model.optimizer.build(model.trainable_variables)
    average = [tf.Variable(v.value) for v in model.weights]
    state = RunState(
        named_variables.name_variables("model", model.variables)
        | named_variables.name_variables("optimizer", model.optimizer.variables)
        | {f"ema/{k}": v for k, v in enumerate(average)},
        steps_per_epoch=1000,
    )
    state.best = {f"ema/{k}": v.numpy() for k, v in enumerate(average)}
    state.begin_leg(1, "a benchmark", {})
    callback = BackupAndRestore(
        BackupFolder(
            str(folder / "backup"),
            identity={},
            local_dir=folder / "staging",
            settle_seconds=900.0,
        ),
        state=state,
        chief=True,
        backup_every_seconds=0,
        backup_every_steps=0,
        restart=False,
    )
    callback.folder.acquire()
    state_bytes = sum(a.nbytes for a in state.best.values()) + sum(
        math.prod(v.shape) * tf.as_dtype(v.dtype).size
        for v in state.variables.values()
    )
    work = make_work()
    work()
    before = peak_bytes()
    lost = {"ours": [], "keras": [], "copy": []}
    seconds = []
    peak = 0
    for round_ in range(ROUNDS):
        steps = 60
        plain = timed(lambda steps=steps: [work() for _ in range(steps)])
        seconds.append(plain / steps)
        state.step = round_ + 1
        copied = callback.copy_seconds

        def save_and_work(steps: int = steps) -> int:
            ended = callback.saves + callback.failures
            callback.save()
            done = 0
            while done < steps or callback.saves + callback.failures == ended:
                work()
                done += 1
            return done

        began = time.monotonic()
        done = save_and_work()
        lost["ours"].append(time.monotonic() - began - done * plain / steps)
        lost["copy"].append(callback.copy_seconds - copied)
        if round_ == 0:
            peak = peak_bytes() - before
        lost["keras"].append(
            timed(lambda: model.save_weights(folder / "w.weights.h5"))
        )
    callback.wait()
    read = time_to_read(callback, state)
    with callback:
        pass
    ours = statistics.median(lost["ours"])
    peer = statistics.median(lost["keras"])
    return {
        "state_bytes": state_bytes,
        "step_seconds": statistics.median(seconds),
        "seconds_lost_a_save": ours,
        "of_these_copying": statistics.median(lost["copy"]),
        "share_of_training_time_lost": ours / CADENCE,
        "keras_seconds_lost_a_save": peer,
        "ratio_keras_to_ours": peer / ours,
        "peak_memory_in_states": peak / state_bytes,
        "generations_kept": len(callback.folder.generations.listing()),
        "seconds_to_read_the_archive": read,
    }


def time_to_read(callback: BackupAndRestore, state: RunState) -> float:
    """Returns the seconds to read, check and assign a generation."""
    began = time.monotonic()
    if not callback.restore():
        raise RuntimeError("no generation was found")
    del state
    return time.monotonic() - began


def make_work() -> Callable[[], np.ndarray]:
    """Returns a function that computes for about 30 ms on all CPUs."""
    value = tf.Variable(tf.random.stateless_normal((1200, 1200), seed=[0, 0]))

    @tf.function
    def work() -> tf.Tensor:
        product = value
        for _ in range(2):
            product = tf.tanh(tf.matmul(product, value))
        return tf.reduce_sum(product)

    return lambda: work().numpy()


def timed(function: Callable[[], object]) -> float:
    began = time.monotonic()
    function()
    return time.monotonic() - began


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def cost_of_a_start(data_dir: str, folder: pathlib.Path) -> dict:
    """Returns the seconds from process start to first loop, new and resumed."""
    command = [
        sys.executable,
        str(ROOT / "trainer" / "main.py"),
        f"--data_dir={data_dir}",
        f"--workdir={folder / 'work'}",
        f"--backup_dir={folder / 'run'}",
        "--global_batch_size=16",
        "--epochs=50",
        "--backup_every_steps=5",
    ]
    for _ in range(2):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        before = manifests(folder)
        while manifests(folder) <= before and process.poll() is None:
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGTERM)
        process.wait()
    legs = json.loads((folder / "work" / "summary.json").read_text())["legs"]
    fresh, resumed = (leg["seconds_to_first_loop"] for leg in legs)
    return {
        "seconds_to_the_first_loop_fresh": fresh,
        "seconds_to_the_first_loop_resumed": resumed,
    }


def manifests(folder: pathlib.Path) -> int:
    names = (folder / "run").glob("backup-*.json")
    return max((int(n.name.split("-")[2]) for n in names), default=0)


if __name__ == "__main__":
    main()
