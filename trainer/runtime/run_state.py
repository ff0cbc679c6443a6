"""Everything a run is at a step: what a backup holds and a resume needs.

The arrays are every variable by name (weights, batch statistics, seeds of
dropout, moving average, optimizer) and the best weights so far; the document
is what is left: step, loss sums, history, legs. The examples and the learning
rate need nothing: they are functions of the seed and the step.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping

import keras
import numpy as np
import tensorflow as tf

# Held by some precisions only, and adapting by itself: optional at restore.
OPTIONAL = ("loss_scale",)
_BEST = "best/"


@dataclasses.dataclass
class RunState:
    """The state of a run.

    Attributes:
        variables: By name, every variable that training changes.
        step: Steps done.
        loss_sum: Sum of the step losses of the epoch under way.
        history: A row of figures for each evaluated epoch.
        best: Weights of the epoch with the best score, by name.
        legs: A row for each start of the command, this one last.
        speed: A row of timings for each evaluated epoch.
        trace: A row for a few steps: the first step, how many, the sum of
            their losses, the learning rate of the first.
        bad_steps: A row for each step that was not finite: step, loss, image
            ids, and whether it is passed over.
        leg: Number of this start, from 1; set by what restores the state.
    """

    variables: Mapping[str, tf.Variable | keras.Variable]
    step: int = 0
    loss_sum: float = 0.0
    history: list[dict] = dataclasses.field(default_factory=list)
    best: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    legs: list[dict] = dataclasses.field(default_factory=list)
    speed: list[dict] = dataclasses.field(default_factory=list)
    trace: list[list] = dataclasses.field(default_factory=list)
    bad_steps: list[dict] = dataclasses.field(default_factory=list)
    leg: int = 1

    @property
    def passed_over(self) -> list[int]:
        """The steps that change nothing, ascending."""
        return sorted(b["step"] for b in self.bad_steps if b["passed_over"])

    def begin_leg(self, devices: str) -> None:
        """Adds a row for this start, which computes on `devices`."""
        self.legs.append(
            {
                "leg": self.leg,
                "devices": devices,
                "first_step": self.step,
                "last_step": self.step,
                # Of all loops but the first, which compiles.
                "images": 0,
                "seconds": 0.0,
                # Of these, spent waiting for examples.
                "input_seconds": 0.0,
                "first_loop_seconds": None,
                # That the steps waited for saves.
                "backup_seconds": 0.0,
                # From the start of the process to the end of the first loop.
                "seconds_to_first_loop": None,
            }
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Copies the variables and the best weights to the host."""
        arrays = {name: to_numpy(v) for name, v in self.variables.items()}
        return arrays | {_BEST + name: a for name, a in self.best.items()}

    def document(self) -> dict:
        """Returns the rest as JSON values."""
        return {
            "step": self.step,
            "loss_sum": self.loss_sum,
            "history": self.history,
            "legs": self.legs,
            "speed": self.speed,
            "trace": self.trace,
            "bad_steps": self.bad_steps,
        }

    def restore(self, arrays: Mapping[str, np.ndarray], document: dict) -> None:
        """Takes over what arrays() and document() once returned.

        Raises:
            ValueError: A variable is missing or of another shape.
        """
        for name, variable in self.variables.items():
            if name not in arrays and name in OPTIONAL:
                continue
            shape = tuple(variable.shape)
            if name not in arrays or arrays[name].shape != shape:
                got = arrays[name].shape if name in arrays else "nothing"
                raise ValueError(
                    f"variable {name}: expected shape {shape}, got {got}"
                )
        for name, variable in self.variables.items():
            if name in arrays:
                variable.assign(arrays[name])
        self.best = {
            name.removeprefix(_BEST): array
            for name, array in arrays.items()
            if name.startswith(_BEST)
        }
        self.step = document["step"]
        self.loss_sum = document["loss_sum"]
        self.history = document["history"]
        self.legs = document["legs"]
        self.speed = document["speed"]
        self.trace = document["trace"]
        self.bad_steps = document["bad_steps"]

    def digest(self) -> str:
        """Returns the sha256 over every variable by name, and the step."""
        digest = hashlib.sha256(f"step {self.step}\n".encode())
        for name in sorted(self.variables):
            if name in OPTIONAL:
                continue
            array = to_numpy(self.variables[name])
            digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def name_variables(
    prefix: str, variables: Iterable[keras.Variable]
) -> dict[str, keras.Variable]:
    """Names variables by their place, which is the same in every process."""
    return {
        f"{prefix}/{index:04d}.{variable.name}": variable
        for index, variable in enumerate(variables)
    }


def to_numpy(variable: tf.Variable | keras.Variable) -> np.ndarray:
    """Returns a copy of a variable's value on its first device."""
    if isinstance(variable, keras.Variable):
        variable = variable.value
    return variable.numpy()  # TensorFlow copies.
