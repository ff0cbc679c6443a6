"""A Dask cluster of two worker processes on loopback.

Prints its address. A line on stdin, a folder and the end of a name, kills a
worker by SIGKILL: as soon as such a file lies in the folder and the worker has
work. Then it prints the worker's address; `too late` where the build
ended before.
"""

import os
import signal
import sys
import time

import distributed

import storage


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
            url, last = line.split()
            folder = storage.open_folder(url)

            def has_begun(folder=folder, last=last) -> bool:
                return any(name.endswith(last) for name in folder.list())

            while not has_begun():
                time.sleep(0.001)
            busy: list[str] = []
            while not busy and has_begun():
                busy = [w for w, work in client.processing().items() if work]
            if busy:
                os.kill(processes[busy[0]], signal.SIGKILL)
            print(busy[0] if busy else "too late", flush=True)


if __name__ == "__main__":
    main()
