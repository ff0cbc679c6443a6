"""Builds again and again, killed by SIGKILL at chosen moments.

    python tests/support/kill_builds.py '{"input_dir": …, "output_dir": …, …}'

A moment is the k-th thing that a build does to the disk below "watch": a file
opened, renamed, cut or removed, a folder made, a record written, a line added
to the journal. Each build is a fork of this process, which has imported all
that it needs, so that hundreds of kills take seconds.

Reads the moments from stdin, a number a line (0: no kill), and prints for each
`killed` or the exit code, then the number of things done so far.
"""

import io
import json
import os
import pathlib
import signal
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import tiny_data  # noqa: E402

from tfrecord_builder.building.staging import Staging  # noqa: E402
from tfrecord_builder.planning.plan import BuildRecipe  # noqa: E402

_EVENTS = {
    "open",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.truncate",
    "shutil.rmtree",
}


class Killer:
    """Counts what is done to the disk and kills this process at the k-th."""

    def __init__(self, moment: int, watch: str, counter: int):
        self._moment, self._watch, self._counter = moment, watch, counter
        self._count = 0
        self._lock = threading.Lock()
        sys.addaudithook(self._audit)
        for module, name in (
            (os, "pwritev"),
            (os, "fsync"),
            (Staging, "_add"),
        ):
            self._wrap(module, name)

    def _wrap(self, owner, name: str) -> None:
        work = getattr(owner, name)

        def wrapped(*args):
            self.event()
            result = work(*args)
            self.event()
            return result

        setattr(owner, name, wrapped)

    def _audit(self, event: str, args: tuple) -> None:
        if event in _EVENTS and str(args[0]).startswith(self._watch):
            self.event()

    def event(self) -> None:
        with self._lock:  # Several threads write.
            self._count += 1
            count = self._count
        os.pwrite(self._counter, b"%10d" % count, 0)
        if count == self._moment:
            os.kill(os.getpid(), signal.SIGKILL)


def build(options: dict) -> int:
    """Runs one build, silently; returns its exit code."""
    sys.stdout = sys.stderr = io.StringIO()
    recipe = BuildRecipe(**options.pop("recipe"))
    try:
        tiny_data.build(recipe=recipe, **options)
    except (ValueError, OSError):
        return 1
    return 0


def main() -> None:
    options = json.loads(sys.argv[1])
    watch = options.pop("watch")
    counter = os.memfd_create("counter")
    for line in sys.stdin:
        os.pwrite(counter, b"%10d" % 0, 0)
        child = os.fork()
        if not child:
            Killer(int(line), watch, counter)
            os._exit(build(options))
        _, status = os.waitpid(child, 0)
        end = "killed" if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        print(end, int(os.pread(counter, 10, 0)), flush=True)


if __name__ == "__main__":
    main()
