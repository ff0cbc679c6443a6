"""Processes that draw images, in order and in bounded memory.

A worker ends when its pipe closes. So no worker outlives its parent, even if
the parent is killed.
"""

import collections
import concurrent.futures
import multiprocessing
import os
import signal
import zlib
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import connection
from typing import Any

import numpy as np

from sample_data import paper
from sample_data.handwriting import Desk

AHEAD = 4096  # images drawn while earlier ones are written: 132 MB
BATCH = 64  # images per job


def count_cores() -> int:
    """Counts the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers:
    """A pool of drawing processes; use it in a `with` block."""

    def __init__(
        self,
        *,
        num_workers: int,
        make_desk: Callable[..., Any] = Desk,
        **arguments: Any,
    ) -> None:
        """Starts the processes.

        Args:
            num_workers: Number of processes; the images do not depend on it.
            make_desk: Called in each process; returns an object with Desk's
                method draw.
            **arguments: The arguments of make_desk.
        """
        context = multiprocessing.get_context("spawn")
        self._pipes = []
        self._threads = []  # one waits for each process
        self.processes = []
        for _ in range(num_workers):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_serve,
                args=(theirs, make_desk, arguments),
                daemon=True,
            )
            process.start()
            theirs.close()
            self.processes.append(process)
            self._pipes.append(ours)
            self._threads.append(concurrent.futures.ThreadPoolExecutor(1))

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        for thread in self._threads:
            thread.shutdown(cancel_futures=True)
        for pipe in self._pipes:
            pipe.close()
        for process in self.processes:
            process.join()

    def draw(
        self,
        files: Iterable[list[tuple[int, int, str]]],
        *,
        on_drawn: Callable[[int], None] = lambda images: None,
    ) -> Iterator[np.ndarray]:
        """Draws images, given as (split, index, text), in their order.

        Args:
            files: The images of each file.
            on_drawn: Called from other threads with the number of images that
                were just drawn.

        Yields:
            [n, 137, 236] uint8, consecutive images of one file; n is at most
            BATCH times the number of workers.
        """
        size = BATCH * len(self.processes)
        pending = collections.deque()
        for images in files:
            for start in range(0, len(images), size):
                pending.append(self._deal(images[start : start + size]))
                for indices, drawn in pending[-1]:
                    count = len(indices)
                    drawn.add_done_callback(lambda _, n=count: on_drawn(n))
                if len(pending) * size >= AHEAD:
                    yield _gather(pending.popleft())
        while pending:
            yield _gather(pending.popleft())

    def _deal(
        self, images: list[tuple[int, int, str]]
    ) -> list[tuple[list[int], concurrent.futures.Future]]:
        """Assigns images to workers by text: one worker draws equal texts.

        Returns:
            For each worker the indices of its images and a future with their
            pixels.
        """
        hands = [[] for _ in self.processes]
        for index, (_, _, text) in enumerate(images):
            hands[zlib.crc32(text.encode()) % len(hands)].append(index)
        return [
            (hand, thread.submit(_ask, pipe, [images[index] for index in hand]))
            for hand, thread, pipe in zip(
                hands, self._threads, self._pipes, strict=True
            )
            if hand
        ]


def _gather(
    hands: list[tuple[list[int], concurrent.futures.Future]],
) -> np.ndarray:
    """Returns the images of _deal in their order."""
    pixels = np.empty(
        (sum(len(indices) for indices, _ in hands),)
        + (paper.HEIGHT, paper.WIDTH),
        np.uint8,
    )
    for indices, drawn in hands:
        pixels[indices] = drawn.result()
    return pixels


def _ask(
    pipe: connection.Connection, job: list[tuple[int, int, str]]
) -> np.ndarray:
    """Sends a job to a worker; returns the drawn images."""
    try:
        pipe.send(job)
        pixels = np.frombuffer(pipe.recv_bytes(), np.uint8)
    except (EOFError, ConnectionError) as error:
        raise OSError(
            "a drawing process died; if this machine has too little memory, "
            "use a smaller --num_workers"
        ) from error
    return pixels.reshape(-1, paper.HEIGHT, paper.WIDTH)


def _serve(
    pipe: connection.Connection,
    make_desk: Callable[..., Any],
    arguments: dict[str, Any],
) -> None:
    """Draws the jobs that come through the pipe, until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles it
    table = make_desk(**arguments)
    try:
        while True:
            images = [table.draw(*image) for image in pipe.recv()]
            pipe.send_bytes(np.stack(images).tobytes())
    except (EOFError, ConnectionError):
        pass
