"""Processes that draw images, in order and in bounded memory.

A worker ends when its pipe closes, so none outlives its parent, however the
parent ends.
"""

import collections
import concurrent.futures
import multiprocessing
import os
import queue
import signal
from collections.abc import Iterable, Iterator
from multiprocessing import connection

import numpy as np

from sample_data import handwriting

AHEAD = 2048  # images drawn while the last ones are being written: 66 MB
BATCH = 64  # images a job


def count_cores() -> int:
    """Counts the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers:
    """A pool of drawing processes; use it in a `with` block."""

    def __init__(self, *, num_workers: int, **desk):
        """Starts the processes.

        Args:
            num_workers: How many; the images do not depend on it.
            **desk: Arguments of handwriting.Desk.
        """
        context = multiprocessing.get_context("spawn")
        self._idle: queue.Queue[connection.Connection] = queue.Queue()
        self._pipes = []
        self.processes = []
        for _ in range(num_workers):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve, args=(theirs, desk), daemon=True
            )
            process.start()
            theirs.close()
            self.processes.append(process)
            self._pipes.append(ours)
            self._idle.put(ours)
        self._threads = concurrent.futures.ThreadPoolExecutor(num_workers)

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error) -> None:
        self._threads.shutdown(cancel_futures=True)
        for pipe in self._pipes:
            pipe.close()
        for process in self.processes:
            process.join()

    def draw(
        self, files: Iterable[list[tuple[int, int, str]]]
    ) -> Iterator[np.ndarray]:
        """Draws images, given as (split, index, text), in their order.

        Args:
            files: The images of one file, of the next, and so on.

        Yields:
            [n, 137, 236] uint8, n <= BATCH, consecutive images of one file.
        """
        pending = collections.deque()
        for images in files:
            for start in range(0, len(images), BATCH):
                job = images[start : start + BATCH]
                pending.append(self._threads.submit(self._ask, job))
                if len(pending) * BATCH >= AHEAD:
                    yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()

    def _ask(self, job: list[tuple[int, int, str]]) -> np.ndarray:
        """Has one idle worker do a job."""
        pipe = self._idle.get()
        try:
            pipe.send(job)
            pixels = np.frombuffer(pipe.recv_bytes(), np.uint8)
        except (EOFError, ConnectionError) as error:
            raise OSError(
                "a drawing process died; if this machine is short of memory, "
                "try a smaller --num_workers"
            ) from error
        finally:
            self._idle.put(pipe)
        return pixels.reshape(-1, handwriting.HEIGHT, handwriting.WIDTH)


def _serve(pipe: connection.Connection, desk: dict) -> None:
    """Draws what comes through the pipe until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to handle
    table = handwriting.Desk(**desk)
    try:
        while True:
            images = [table.draw(*image) for image in pipe.recv()]
            pipe.send_bytes(np.stack(images).tobytes())
    except (EOFError, ConnectionError):
        pass
