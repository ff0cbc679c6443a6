"""Runs the real trainer as another machine would, with a short lease.

  python trainer_machine.py MACHINE SCALE STEP_SECONDS --trainer_flag=…

The times of the lease are divided by SCALE; each loop of steps takes
STEP_SECONDS longer than it does.
"""

import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main() -> None:
    machine, scale, seconds = sys.argv[1:4]
    from lease_trainer import periods

    from storage.ownership import processes, watch
    from trainer import main as command
    from trainer.backup.backup_folder import BackupFolder

    watch.PERIODS = periods(float(scale))
    processes.machine_id = lambda: machine
    refuse_if_lost = BackupFolder.refuse_if_lost

    def slowly(self: BackupFolder) -> None:
        time.sleep(float(seconds))
        refuse_if_lost(self)

    BackupFolder.refuse_if_lost = slowly
    sys.argv = [command.__file__, *sys.argv[4:]]
    command.run()


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
