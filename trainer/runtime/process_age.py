"""The age of this process, including the time of its imports."""

import functools
import os
import pathlib
import time


def seconds() -> float:
    """Returns the seconds since this process started."""
    return time.monotonic() - began()


@functools.cache
def began() -> float:
    """Returns when this process started, in monotonic seconds."""
    try:
        stat = pathlib.Path("/proc/self/stat").read_text()
        started = int(stat.rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME)
        age -= started / os.sysconf("SC_CLK_TCK")
    except OSError:  # Without /proc the time of the imports is not counted.
        age = 0.0
    return time.monotonic() - age
