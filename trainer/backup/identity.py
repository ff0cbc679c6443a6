"""The identity of a run: the values that its result depends on."""

from collections.abc import Iterable, Mapping
from typing import Any

from trainer.stream.training_data import TrainingData


def make(
    key_flags: Iterable[Any],
    *,
    free: frozenset[str],
    removed: Mapping[str, Any],
    data: TrainingData,
) -> dict:
    """Returns the identity: the flags that are not free, and the data.

    Args:
        key_flags: The command's absl flags.
        free: Names of flags that do not change the result.
        removed: Flags of earlier versions, with the only value that this
            version can reproduce. Another value makes another run, as with any
            flag.
        data: The datasets; their digests are part of the identity.
    """
    identity = {f.name: f.value for f in key_flags if f.name not in free}
    identity |= removed
    if data.extra_info:
        identity["extra_data_dir"] = data.extra_info.digest()
    return dict(sorted(identity.items())) | {"dataset": data.info.digest()}


def defaults(
    key_flags: Iterable[Any], *, free: frozenset[str], before: Mapping[str, Any]
) -> dict:
    """Returns values for flags that an older identity does not have.

    Args:
        key_flags: The command's absl flags.
        free: Names of flags that do not change the result.
        before: By name, the value that fits the behaviour before the flag
            existed, if that is not its default.
    """
    values = {f.name: f.default for f in key_flags if f.name not in free}
    return {**values, **before}


def flagfile(key_flags: Iterable[Any]) -> str:
    """Returns a flagfile that repeats the run, with one flag in each line."""
    lines = [
        f.serialize()
        for f in sorted(key_flags, key=lambda f: f.name)
        if f.value is not None and f.name not in ("restart", "dry_run")
    ]
    return "\n".join(line for line in lines if line) + "\n"
