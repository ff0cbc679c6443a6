"""Moments of a training process, seen from outside by the files it makes.

Moments.came(NAME) returns whether a moment has come since the object was made.
"""

import os
import pathlib
import random
import time

# The moments, with their relative frequencies.
WEIGHTS = {
    "any time": 5,
    "in restore": 2,
    "writing the archive": 2,
    "archive without manifest": 2,
    "after a manifest": 1,
    "in prune": 2,
    "after an evaluation": 1,
    "in the final export": 1,
    "in the final export, after the manifest": 1,
}
AFTER_THE_FINISH = "after the finish"


class Moments:
    """Watches a leg.

    Args:
        workdir: The workdir of the run.
        backup: Its backup folder.
        seconds: Seconds of a complete run. Some moments never come in a leg, so
            the wait for a moment ends after this time.
        rng: Chooses when "any time" is.
    """

    def __init__(
        self,
        workdir: pathlib.Path,
        backup: pathlib.Path,
        *,
        seconds: float,
        rng: random.Random,
    ) -> None:
        self._workdir = workdir
        self._staging = workdir / "staging"
        self._backup = backup
        now = time.monotonic()
        self._any_time = now + rng.uniform(0.1, 1.0) * seconds
        self._last = now + seconds
        self._rows = self._count_rows()
        self._manifests = self._manifests_seen = self._names("json")

    def came(self, name: str) -> bool:
        """Returns whether a moment has come."""
        if name in ("any time", AFTER_THE_FINISH):
            return time.monotonic() >= self._any_time
        if time.monotonic() >= self._last:
            return True
        return self._came(name)

    def _came(self, name: str) -> bool:
        final = self._backup / "final"
        match name:
            case "in restore":
                return any(self._staging.glob("*restore.zip*"))
            case "writing the archive":
                return any(self._staging.glob("save-*.zip"))
            case "archive without manifest":
                return len(self._names("zip")) > len(self._names("json"))
            case "after a manifest":
                return bool(self._names("json") - self._manifests)
            case "in prune":
                names = self._names("json")
                gone = self._manifests_seen - names
                self._manifests_seen = names
                return bool(gone)
            case "after an evaluation":
                return self._count_rows() > self._rows
            case "in the final export":
                return final.exists()
            case "in the final export, after the manifest":
                return any(final.glob("manifest-*.json"))
        raise ValueError(name)

    def _names(self, kind: str) -> set[str]:
        """Returns the names of the generations' files of one kind."""
        try:
            names = os.listdir(self._backup)
        except OSError:
            return set()
        return {
            n for n in names if n.startswith("backup-") and n.endswith(kind)
        }

    def _count_rows(self) -> int:
        try:
            return (self._workdir / "metrics.csv").read_text().count("\n")
        except OSError:
            return 0
