"""The id of this machine, and whether a process of it is alive."""

import os
import pathlib
import socket


def machine_id() -> str:
    """Returns a unique id of this boot and of this set of processes.

    Without /proc it is the name of the host, which may not be unique; then
    is_alive() always returns None.
    """
    try:
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text()
        # Each container of a machine has its own process numbers.
        return f"{boot.strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # No /proc, or a sandbox that hides it.
        return f"host {socket.gethostname()}"


def process_start(pid: int) -> str | None:
    """Returns a process's start time in clock ticks.

    None if the process is gone, or if its start time cannot be read.
    """
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in parentheses may hold spaces; the start is field 22.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def is_alive(pid: int, start: str | None) -> bool | None:
    """Returns whether a process of this machine is alive.

    Args:
        pid: Its number.
        start: The result of process_start() for it.

    Returns:
        None if that is unknown: there is no /proc, or it hides the process.
    """
    if start is None or process_start(os.getpid()) is None:
        return None
    now = process_start(pid)
    if now is None and _is_hidden(pid):
        return None
    return now == start


def _is_hidden(pid: int) -> bool:
    """Returns whether a process exists that /proc does not show.

    A /proc mounted with hidepid hides the processes of other users.
    """
    if os.path.exists(f"/proc/{pid}"):
        return False  # It is a zombie, or it has just ended.
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # The signal is not permitted, so the process exists.
        return True
    return True
