"""Out of memory: a run continues on an accelerator with less memory."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from checks.machine import Machine, Run
from checks.processes import NotRunError

_FREE = 15  # Parts of 100 MB that stay free for the run.
_RECIPE = ("--backbone=resnet18_v2", "--epochs=2", "--global_batch_size=1024")
# Allocates up to N parts of 100 MB on a GPU, prints how many it got, and keeps
# them until its stdin is closed.
_HOLD = """
import sys
import tensorflow as tf
for gpu in tf.config.list_physical_devices("GPU"):
    tf.config.experimental.set_memory_growth(gpu, True)
held = []
with tf.device("/gpu:0"):
    try:
        while len(held) < int(sys.argv[1]):
            held.append(tf.zeros([100 << 18]))
    except tf.errors.ResourceExhaustedError:
        pass
print(len(held), flush=True)
sys.stdin.read()
"""


def check(machine: Machine) -> dict:
    """Checks that a run whose step does not fit continues in smaller parts."""
    if machine.kind != "gpu":
        raise NotRunError("only a GPU's memory can be filled from outside")
    run = Run(machine.folder, "large_batch", data="large", recipe=_RECIPE)
    with _hold(1 << 20) as parts:
        pass
    with _hold(max(0, parts - _FREE)):
        run.start().wait()
    summary = run.summary()
    return {"ok": summary["finished"], "legs": summary["legs"]}


@contextlib.contextmanager
def _hold(parts: int) -> Iterator[int]:
    """Allocates parts of the GPU's memory; yields how many it got."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(parts)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        # The end of "with" closes its stdin.
        yield int(next(iter(holder.stdout or ()), b""))
