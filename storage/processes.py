"""Which machine this is, and which of its processes is alive."""

import os
import pathlib
import socket


def machine_id() -> str:
    """Returns an id of this boot and set of processes that no other has."""
    try:
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text()
        # Containers of one machine have process numbers of their own.
        return f"{boot.strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # No /proc, or a sandbox that hides it.
        return f"host {socket.gethostname()}"


def process_start(pid: int) -> str | None:
    """Returns a process's start time in clock ticks; None if it is gone."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in parentheses may hold spaces; the start is field 22.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]
