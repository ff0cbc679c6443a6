"""What makes a run this run: the values that its result depends on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from storage import UserError
from tfrecord_builder.records.dataset_info import DatasetInfo
from trainer.stream.training_data import RunData


def make(
    key_flags: Iterable[Any],
    *,
    free: frozenset[str],
    data: RunData,
) -> dict:
    """Returns the identity: the flags that are not free, and the data.

    Args:
        key_flags: The command's absl flags.
        free: Names of flags that do not change the result.
        data: The datasets, which count by what they hold.
    """
    identity = {f.name: f.value for f in key_flags if f.name not in free}
    if data.extra_info:
        identity["extra_data_dir"] = data.extra_info.digest()
    return dict(sorted(identity.items())) | {"dataset": data.info.digest()}


def defaults(
    key_flags: Iterable[Any], *, free: frozenset[str], before: Mapping[str, Any]
) -> dict:
    """Returns what flags count as in an identity that is older than they are.

    Args:
        key_flags: The command's absl flags.
        free: Names of flags that do not change the result.
        before: By name, what a run did before there was the flag, where that
            is not its default.
    """
    values = {f.name: f.default for f in key_flags if f.name not in free}
    return values | before


def flagfile(key_flags: Iterable[Any]) -> str:
    """Returns a flagfile that repeats the run, a flag a line."""
    lines = [
        f.serialize()
        for f in sorted(key_flags, key=lambda f: f.name)
        if f.value is not None and f.name not in ("restart", "dry_run")
    ]
    return "\n".join(line for line in lines if line) + "\n"


def output_weights(
    weights: Sequence[str],
    info: DatasetInfo,
    *,
    strict: bool,
) -> dict[str, float]:
    """Returns each output's weight in the score, 1 where none is given.

    Args:
        weights: "name:weight" pairs.
        info: The dataset.
        strict: Whether a name that is no output of it is an error.

    Raises:
        storage.UserError: A pair is not understood.
    """
    names = [output.name for output in info.outputs]
    found = dict.fromkeys(names, 1.0)
    for pair in weights:
        name, _, weight = pair.partition(":")
        try:
            value = float(weight)
        except ValueError:
            value = -1.0
        if value < 0 or (strict and name not in names):
            raise UserError(
                f"--output_weights: expected name:weight with a weight of 0 "
                f"or more and a name of {', '.join(names)}; got {pair!r}"
            )
        if name in names:
            found[name] = value
    if not sum(found.values()):
        raise UserError("--output_weights: all weights are 0")
    return found


def refuse_difference(old: dict, new: dict, where: str) -> None:
    """Refuses to go on with a run under another identity.

    Raises:
        storage.UserError: Names what differs, with both values.
    """
    changed = [
        f"--{name} (was {old.get(name)!r}, now {new.get(name)!r})"
        for name in sorted({*old, *new} - {"dataset"})
        if old.get(name) != new.get(name)
    ]
    if old.get("dataset") != new.get("dataset"):
        changed.append(
            "the dataset in --data_dir (dataset_info.json had the digest "
            f"{old.get('dataset')}, now has {new.get('dataset')})"
        )
    if changed:
        raise UserError(
            f"{where} holds another run, which differs in "
            f"{', '.join(changed)}: give the old values, another "
            "--backup_dir, or --restart to start over"
        )
