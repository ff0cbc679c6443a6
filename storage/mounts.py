"""Finds out whether a path is on a mount, such as Google Drive in Colab.

Reads on a mount are slow and sometimes fail for a moment, and a rename is not
reliable there. So work is done on local disk, and the files are copied.
"""

import os
import pathlib

_TABLE = pathlib.Path("/proc/self/mountinfo")
_NETWORK = ("9p", "afs", "beegfs", "ceph", "cifs", "davfs", "gcsfuse")
_NETWORK += ("glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs")
# Local disks that are served by a FUSE process.
_LOCAL_FUSE = ("fuse.fuse-overlayfs", "fuseblk")


def is_mount(path: str | os.PathLike, table: str | None = None) -> bool:
    """Returns whether `path` is on a FUSE or network file system.

    Args:
        path: A path; it need not exist.
        table: The text of /proc/self/mountinfo; None reads the file. On a
            system without it, such as macOS, the result is always False.
    """
    if table is None:
        try:
            table = _TABLE.read_text()
        except OSError:
            return False
    real = os.path.realpath(path)
    best, kind = "", ""
    for line in table.splitlines():
        # 36 35 98:0 /root /mount/point rw,… shared:1 - ext4 /dev/sda rw
        mount, _, rest = line.partition(" - ")
        point = mount.split()[4].encode().decode("unicode_escape")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, rest.split()[0]
    # If / itself is a network disk, this machine has no better disk.
    if best in ("", "/") or kind in _LOCAL_FUSE:
        return False
    return kind.startswith("fuse") or kind in _NETWORK
