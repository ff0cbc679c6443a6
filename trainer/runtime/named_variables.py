"""The variables of a run by name, as they are stored in a backup."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def name_variables(
    prefix: str, variables: Iterable[keras.Variable]
) -> dict[str, keras.Variable]:
    """Names variables by their index, which is the same in every process."""
    return {
        f"{prefix}/{index:04d}.{variable.name}": variable
        for index, variable in enumerate(variables)
    }


def to_numpy(variable: tf.Variable | keras.Variable) -> np.ndarray:
    """Returns a copy of a variable's value on its first device."""
    if isinstance(variable, keras.Variable):
        variable = variable.value
    return variable.numpy()  # TensorFlow copies.


def check(
    variables: Mapping[str, tf.Variable | keras.Variable],
    arrays: Mapping[str, np.ndarray],
    *,
    optional: Collection[str],
) -> None:
    """Checks that arrays are valid values of variables.

    Args:
        variables: By name.
        arrays: By name.
        optional: Names that may be missing from either mapping.

    Raises:
        ValueError: An array is missing, has another shape or dtype, or has no
            variable.
    """
    if unknown := sorted(arrays.keys() - variables.keys() - {*optional}):
        raise ValueError(f"variable {unknown[0]}: this run has none")
    for name, variable in variables.items():
        if name not in arrays and name in optional:
            continue
        got = "nothing"
        if name in arrays:
            got = _describe(arrays[name].dtype, arrays[name].shape)
        expected = _describe(variable.dtype, variable.shape)
        if got != expected:
            raise ValueError(f"variable {name}: expected {expected}, got {got}")


def digest(
    variables: Mapping[str, tf.Variable | keras.Variable], *, heading: str
) -> str:
    """Returns the sha256 of a heading and of every variable, by name."""
    made = hashlib.sha256(f"{heading}\n".encode())
    for name in sorted(variables):
        array = to_numpy(variables[name])
        made.update(f"{name} {array.dtype} {array.shape}\n".encode())
        made.update(np.ascontiguousarray(array).tobytes())
    return made.hexdigest()


def _describe(dtype: Any, shape: Iterable[int]) -> str:
    """Returns a text like "float32 (3, 2)"."""
    name = dtype if isinstance(dtype, str) else dtype.name
    return f"{name} {tuple(shape)}"
