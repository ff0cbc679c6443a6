"""A mounted file system that behaves like Google Drive: it uploads later.

It is rclone's FUSE mount with write-back: a written file stays in a cache on
this machine's disk for a while before it is copied to the backing store. If the
cache is lost, so is the file. Needs /dev/fuse and `apt-get install rclone
fuse3`.
"""

import os
import pathlib
import random
import shutil
import signal
import subprocess
import time
from typing import Self


def why_not() -> str | None:
    """Returns a text about what this machine lacks for a mount, or None."""
    if not os.path.exists("/dev/fuse"):
        return "no /dev/fuse"
    missing = [t for t in ("rclone", "fusermount3") if not shutil.which(t)]
    return f"no {' and no '.join(missing)}" if missing else None


class DriveMount:
    """A mount of `folder/store` on `folder/mnt`.

    Args:
        folder: A folder that only this mount uses.
        write_back: Seconds between the last use of a file and its upload.
        store: The backing store. Another mount of the same store acts as
            another machine.
        dir_cache: Seconds for which a listing may be out of date.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        *,
        write_back: float = 1.0,
        store: pathlib.Path | None = None,
        dir_cache: float = 1.0,
    ) -> None:
        folder = pathlib.Path(folder).resolve()
        self.store = store or folder / "store"
        self.path = folder / "mnt"
        self.write_back = write_back
        self._dir_cache = dir_cache
        self._cache = folder / "cache"
        self._log = folder / "rclone.log"
        self._process = None
        self.store.mkdir(parents=True, exist_ok=True)
        self.path.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        self.mount()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.unmount()

    def mount(self) -> None:
        """Mounts the store, and waits until it is mounted."""
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                [
                    "rclone",
                    "mount",
                    f":local:{self.store}",
                    str(self.path),
                    f"--cache-dir={self._cache}",
                    "--vfs-cache-mode=writes",
                    f"--vfs-write-back={self.write_back:.3f}s",
                    # Drive notifies its clients of changes; rclone's :local:
                    # cannot.
                    f"--dir-cache-time={self._dir_cache:.3f}s",
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + 30
        while not os.path.ismount(self.path):
            if time.monotonic() > end or self._process.poll() is not None:
                raise OSError(f"rclone did not mount: see {self._log}")
            time.sleep(0.05)

    def pause(self) -> None:
        """Makes every call on the mount hang until resume()."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Ends a pause."""
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError(f"{self.path} is not mounted")
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kills the mount's process: files on it then give Errno 107."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def unmount(self) -> None:
        """Removes the dead mount; an ordinary folder remains."""
        subprocess.run(
            ["fusermount3", "-uz", str(self.path)],
            stderr=subprocess.DEVNULL,
            check=False,
        )

    def reset(self, rng: random.Random | None = None) -> int:
        """Simulates the loss of this machine; returns how many files are lost.

        Args:
            rng: Chooses which of the waiting files were uploaded before, as if
                uploads had a random order; None: none was uploaded.
        """
        self.kill()
        self.unmount()
        lost = 0
        for path in self._waiting():
            if rng and rng.random() < 0.5:
                target = self.store / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self._cached("vfs") / path, target)
            else:
                lost += 1
        shutil.rmtree(self._cache, ignore_errors=True)
        return lost

    def waiting(self) -> int:
        """Returns the number of files that wait for their upload."""
        return len(self._waiting())

    def _waiting(self) -> list[pathlib.Path]:
        """Returns the files that wait for upload, as paths in the store."""
        folder = self._cached("vfsMeta")
        found = []
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                text = path.read_text(errors="replace").replace(" ", "")
                if '"Dirty":true' in text:
                    found.append(path.relative_to(folder))
        return found

    def _cached(self, kind: str) -> pathlib.Path:
        """Returns rclone's folder of cached files or of their metadata."""
        return self._cache / kind / f":local{self.store}"
