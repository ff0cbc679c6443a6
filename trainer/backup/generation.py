"""One backup of a run: its file names and its manifest."""

import dataclasses
import json
import re
import secrets

from trainer.runtime import run_document

_NAME = re.compile(r"backup-(\d{4,})-(\d{9,})-(\d{3,})-(\w+)\.(zip|json)")


@dataclasses.dataclass(frozen=True, order=True)
class Generation:
    """One backup. The order is by age: leg, step, attempt."""

    leg: int
    step: int
    attempt: int
    token: str = dataclasses.field(default_factory=lambda: secrets.token_hex(2))

    @classmethod
    def parse(cls, name: str) -> "tuple[Generation, str] | None":
        """Returns a file name's generation and its kind, "zip" or "json"."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        leg, step, attempt, token, kind = match.groups()
        return cls(int(leg), int(step), int(attempt), token), kind

    @property
    def archive(self) -> str:
        return f"{self.stem}.zip"

    @property
    def manifest(self) -> str:
        return f"{self.stem}.json"

    @property
    def claim(self) -> tuple[int, str]:
        """Leg and token, which identify the lease of the leg."""
        return self.leg, self.token

    @property
    def stem(self) -> str:
        return (
            f"backup-{self.leg:04d}-{self.step:09d}-{self.attempt:03d}-"
            f"{self.token}"
        )


@dataclasses.dataclass(frozen=True)
class Backup:
    """A generation in a folder.

    Attributes:
        generation: Its name.
        manifest: Its manifest; None if the generation cannot be used.
        why: The reason why it cannot be used.
        error: The error on reading it, if there was one; the generation itself
            may be complete.
        unfinished: Whether its save was interrupted: it has no manifest.
    """

    generation: Generation
    manifest: dict | None
    why: str = ""
    error: OSError | None = None
    unfinished: bool = False

    @property
    def is_readable(self) -> bool:
        """Whether it has a manifest of a format that this version reads."""
        return (
            self.manifest is not None
            and self.manifest["format"] in run_document.FORMATS
        )

    @property
    def usable(self) -> dict:
        """The manifest of a generation that can be used.

        Raises:
            ValueError: The generation cannot be used.
        """
        if self.manifest is None:
            raise ValueError(f"{self.generation.stem}: {self.why}")
        return self.manifest

    @staticmethod
    def parse_manifest(data: bytes) -> dict:
        """Returns a manifest; an unknown format may lack all other keys.

        Raises:
            ValueError: It is not a manifest, or it lacks a key.
        """
        manifest = json.loads(data)
        if not isinstance(manifest, dict) or "format" not in manifest:
            raise ValueError("it is not a manifest")
        if manifest["format"] in run_document.FORMATS:
            needed = {"sha256", "bytes", "run", "written", "identity"}
            if missing := sorted(needed - manifest.keys()):
                raise ValueError(f"it lacks {', '.join(missing)}")
        return manifest
