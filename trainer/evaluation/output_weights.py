"""The weights of the outputs in the score and the loss."""

from collections.abc import Sequence

from storage import UserError
from tfrecord_builder.records.dataset_info import DatasetInfo


def parse(
    weights: Sequence[str],
    info: DatasetInfo,
    *,
    strict: bool,
) -> dict[str, float]:
    """Returns each output's weight in the score; 1 if none is given.

    Args:
        weights: "name:weight" pairs.
        info: The dataset.
        strict: Whether an unknown output name is an error.

    Raises:
        UserError: A pair is not valid, or all weights are 0.
    """
    names = [output.name for output in info.outputs]
    parsed = dict.fromkeys(names, 1.0)
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
            parsed[name] = value
    if not sum(parsed.values()):
        raise UserError("--output_weights: all weights are 0")
    return parsed
