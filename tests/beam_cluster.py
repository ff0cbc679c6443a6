"""A Dask cluster of two worker processes on loopback.

Prints its address. A line on stdin, the path of an exchange folder, kills a
worker by SIGKILL: as soon as the plan's last part lies in the folder and the
worker has work. Then it prints the worker's address.
"""

import os
import pathlib
import signal
import sys
import time

import distributed


def main() -> None:
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            host="127.0.0.1",
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        processes = client.run(os.getpid)
        print(cluster.scheduler_address, flush=True)
        for line in sys.stdin:
            folder, last = line.split()
            while not list(pathlib.Path(folder).glob(f"*-{last}")):
                time.sleep(0.001)
            while not (
                busy := [w for w, t in client.processing().items() if t]
            ):
                time.sleep(0.001)
            os.kill(processes[busy[0]], signal.SIGKILL)
            print(busy[0], flush=True)


if __name__ == "__main__":
    main()
