"""The config of a saved model, in a form that any supported Keras reads.

Each version of Keras adds arguments to layers and initializers, and saves them
even if they have their default values. An earlier version refuses arguments
that it does not know. So arguments with default values are removed.
"""

import importlib
import inspect
import json
import re
from typing import Any

import keras


def make_portable(config: str) -> str:
    """Returns a model's config.json for Keras 3.10 and later.

    Raises:
        AttributeError, ImportError: It names a class that cannot be imported.
    """
    return _renumber_shared_objects(
        json.dumps(without_defaults(json.loads(config)))
    )


def without_defaults(value: Any) -> Any:
    """Returns a part of a config without arguments that have default values."""
    if isinstance(value, list):
        return [without_defaults(item) for item in value]
    if not isinstance(value, dict):
        return value
    value = {key: without_defaults(item) for key, item in value.items()}
    arguments = value.get("config")
    if value.get("module") and isinstance(arguments, dict):
        module = importlib.import_module(value["module"])
        kind = getattr(module, value["class_name"])
        value["config"] = {
            name: argument
            for name, argument in arguments.items()
            if not _is_assumed(kind, name, argument)
        }
    return value


def _is_assumed(kind: type, name: str, argument: Any) -> bool:
    """Returns whether `kind` has this value if the argument is missing."""
    if name == "name":
        # Operations of Keras 3.10 accept no name; later versions number them.
        is_layer = issubclass(kind, keras.layers.Layer)
        return issubclass(kind, keras.Operation) and not is_layer
    parameter = inspect.signature(kind.__init__).parameters.get(name)
    if parameter is None:
        return False
    default = parameter.default
    return type(default) is type(argument) and default == argument


def _renumber_shared_objects(config: str) -> str:
    """Returns a config that does not depend on memory addresses.

    Keras 3.15 numbers shared objects by Python's id(), so that the same model
    has another config in each process.
    """
    numbers: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return match[1] + str(numbers.setdefault(match[2], len(numbers)))

    return re.sub(r'("shared_object_id": )(\d+)', number, config)
