"""A real TensorBoard, asked over HTTP for what it reads.

with boards.open_board(folder) as board:
    board.scalars("epoch/loss")       [(step, value), …]
    board.images("augmented")         [(step, [h, w] uint8), …]
"""

import contextlib
import io
import json
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import numpy as np
from PIL import Image

_SECONDS = 60.0  # For what it reads in the background.


class Board:
    """TensorBoard at `url`, over one run."""

    def __init__(self, url: str):
        self._url = url
        deadline = time.monotonic() + _SECONDS
        while True:
            tags = [self._ask(f"{kind}/tags") for kind in ("scalars", "images")]
            if all(tags):
                break
            assert time.monotonic() < deadline, tags
        ((self._run, scalars),) = tags[0].items()
        self.tags = {*scalars, *tags[1][self._run]}

    def scalars(self, tag: str) -> list[tuple[int, float]]:
        answer = self._ask("scalars/scalars", run=self._run, tag=tag)
        return [(step, value) for _, step, value in answer]

    def images(self, tag: str) -> list[tuple[int, np.ndarray]]:
        answer = self._ask("images/images", run=self._run, tag=tag, sample=0)
        return [(shown["step"], self._image(shown)) for shown in answer]

    def _image(self, shown):
        query = dict(urllib.parse.parse_qsl(shown["query"]))
        data = self._get("images/individualImage", query)
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image)

    def _ask(self, path, **query):
        return json.loads(self._get(path, query))

    def _get(self, path, query):
        query = urllib.parse.urlencode(query)
        url = f"{self._url}/data/plugin/{path}?{query}"
        with urllib.request.urlopen(url) as answer:
            return answer.read()


@contextlib.contextmanager
def open_board(folder):
    """Yields the Board of a TensorBoard process over `folder`."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tensorboard.main", "--load_fast=false"),
            *("--host=127.0.0.1", "--port=0", f"--logdir={folder}"),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = next(
            match[0]
            for line in process.stderr
            if (match := re.search(r"http://127\.0\.0\.1:\d+", line))
        )
        yield Board(url)
    finally:
        process.terminate()
        process.communicate()
