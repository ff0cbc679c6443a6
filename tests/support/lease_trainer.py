"""A trainer without TensorFlow: the real lease and generations, a tiny loop.

  python lease_trainer.py FOLDER MACHINE STEPS SCALE LOCAL_DIR

It looks, waits for a line on stdin (it has read its data, say), claims the
folder, goes on from the newest backup, and saves every few steps, as
trainer/backup does. It prints the value that the last step gave: expected().
All times of the lease are divided by SCALE.
"""

import contextlib
import json
import pathlib
import sys
import time

import storage
from storage import UserError
from storage.ownership import processes, watch
from storage.ownership.heartbeat import Heartbeat
from storage.ownership.lease import Lease
from storage.ownership.owner import Owner
from storage.ownership.watch import Periods
from trainer.backup.generation import Generation
from trainer.backup.generations import Generations

OWNER = Owner("trainer", "training", "run", "--backup_dir")
SAVE_EVERY = 20  # Steps.
STEP_SECONDS = 0.01


def expected(steps: int) -> float:
    value = 0.0
    for step in range(1, steps + 1):
        value = value * 0.5 + step
    return value


def periods(scale: float) -> Periods:
    real = Periods()
    return Periods(real.renew / scale, real.watch / scale, real.poll / scale)


def main() -> None:
    url, machine, steps, scale, local = sys.argv[1:]
    watch.PERIODS = periods(float(scale))
    processes.machine_id = lambda: machine
    folder = storage.open_folder(url)
    folder.make()
    generations = Generations(folder)
    lease = Lease(folder, OWNER, signs_of_life=generations.leg_by_name)
    print("looked", flush=True)
    input()
    lease.acquire()
    print(f"leg {lease.leg} token {lease.token}", flush=True)
    heartbeat = Heartbeat(lease)
    heartbeat.start()
    local = pathlib.Path(local)
    local.mkdir()
    known = set(generations.listing())
    step, value = restore(generations, local)
    while step < int(steps):
        time.sleep(STEP_SECONDS)
        step += 1
        value = value * 0.5 + step
        heartbeat.refuse_if_lost()
        if step % SAVE_EVERY == 0:
            heartbeat.check()
            (local / "save.zip").write_text(json.dumps([step, value]))
            generation = Generation(lease.leg, step, step, lease.token)
            generations.write(
                generation,
                local / "save.zip",
                epochs=0,
                first_leg=1,
                identity={},
            )
            heartbeat.check()
            with contextlib.suppress(OSError):  # A mount's: until the next.
                generations.prune(
                    newest=generation,
                    first_leg=1,
                    known=known,
                    passed_over=set(),
                    settle_seconds=900.0 / float(scale),
                )
    heartbeat.check()
    print(f"finished {value!r}", flush=True)
    heartbeat.stop()


def restore(generations: Generations, local: pathlib.Path) -> tuple[int, float]:
    for backup in generations.newest_first():
        if backup.manifest:
            generations.fetch(backup, local / "restore.zip")
            return tuple(json.loads((local / "restore.zip").read_text()))
    return 0, 0.0


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
