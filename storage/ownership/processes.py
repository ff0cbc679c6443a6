"""Which machine this is, and which of its processes is alive."""

import os
import pathlib
import socket


def machine_id() -> str:
    """Returns an id of this boot and set of processes that no other has.

    Without /proc it is the host's name, which another machine may have, too;
    is_alive() knows nothing then.
    """
    try:
        boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text()
        # Containers of one machine have process numbers of their own.
        return f"{boot.strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # No /proc, or a sandbox that hides it.
        return f"host {socket.gethostname()}"


def process_start(pid: int) -> str | None:
    """Returns a process's start time in clock ticks.

    Returns None if the process is gone, or cannot be looked up.
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
        start: Its process_start().

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
    """Whether a process exists that /proc does not show.

    A /proc mounted with hidepid shows no process of another user.
    """
    if os.path.exists(f"/proc/{pid}"):
        return False  # A zombie, or it has just ended.
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # Not allowed, so it exists.
        return True
    return True
