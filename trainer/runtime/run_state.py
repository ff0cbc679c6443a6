"""The state of a run at a step: what a backup holds and a resume needs.

The arrays are every variable by name (weights, batch statistics, seeds of
dropout, moving average, optimizer) and the best weights so far. The document
has the rest: step, loss sums, history, legs. The examples and the learning rate
need no state: they are functions of the seed and the step.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainer.runtime import (
    legs,
    loss_trace,
    named_variables,
    process_age,
    run_document,
)
from trainer.runtime.legs import Lost

# Only some precisions have it, and it adapts itself: optional at restore.
OPTIONAL = ("loss_scale",)
_BEST = "best/"
_NOTHING_LOST = Lost()


@dataclasses.dataclass
class RunState:
    """The state of a run. Only its methods change it.

    Attributes:
        variables: By name, every variable that training changes.
        steps_per_epoch: Not saved, since it follows from the data.
        step: Number of completed steps.
        loss_sum: Sum of the step losses of the current epoch.
        history: A row of scores for each evaluated epoch.
        best: Weights of the epoch with the best score, by name.
        legs: A row for each start of the command, this one last; see legs.py.
        speed: A row of timings for each evaluated epoch.
        trace: A row for each group of a few steps; see loss_trace.py.
        bad_steps: A row for each step that was not finite: step, loss, image
            ids, and whether it is skipped.
        age: Returns the seconds since this process started.
    """

    variables: Mapping[str, tf.Variable | keras.Variable]
    _: dataclasses.KW_ONLY
    steps_per_epoch: int
    step: int = 0
    loss_sum: float = 0.0
    history: list[dict] = dataclasses.field(default_factory=list)
    best: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    legs: list[dict] = dataclasses.field(default_factory=list)
    speed: list[dict] = dataclasses.field(default_factory=list)
    trace: list[list] = dataclasses.field(default_factory=list)
    bad_steps: list[dict] = dataclasses.field(default_factory=list)
    age: Callable[[], float] = process_age.seconds

    @property
    def epoch(self) -> int:
        """The current epoch, from 0."""
        return len(self.history)

    @property
    def epoch_end(self) -> int:
        """The step at which the current epoch ends and is evaluated."""
        return (self.epoch + 1) * self.steps_per_epoch

    @property
    def current_leg(self) -> dict:
        return self.legs[-1]

    @property
    def leg(self) -> int:
        """Number of this start of the command, from 1."""
        return self.current_leg["leg"]

    @property
    def skipped_steps(self) -> list[int]:
        """The steps that are skipped, ascending."""
        return sorted(b["step"] for b in self.bad_steps if b["passed_over"])

    @property
    def mean_loss(self) -> float:
        """The mean loss of the steps of the current epoch."""
        first = self.epoch * self.steps_per_epoch
        skipped = sum(first <= step < self.step for step in self.skipped_steps)
        return self.loss_sum / max(1, self.step - first - skipped)

    def begin_leg(
        self,
        leg: int,
        devices: str,
        settings: Mapping[str, Any],
        lost: Lost = _NOTHING_LOST,
    ) -> None:
        """Adds a row for a start of the command; see legs.make() for Args."""
        self.legs.append(
            legs.make(
                leg,
                devices=devices,
                step=self.step,
                settings=settings,
                lost=lost,
            )
        )

    def count_loop(
        self,
        losses: Sequence[float],
        *,
        images: int,
        seconds: float,
        input_seconds: float,
        rate_at: Callable[[int], float],
    ) -> None:
        """Counts a loop of steps that changed the variables.

        Args:
            losses: The loss of each step.
            images: Number of examples that were trained on.
            seconds: Seconds that the loop took.
            input_seconds: The part of them that was spent waiting for examples.
            rate_at: Returns the learning rate of a step.
        """
        self.count_steps(losses, rate_at=rate_at)
        legs.count_loop(
            self.current_leg,
            images=images,
            seconds=seconds,
            input_seconds=input_seconds,
            age=self.age(),
        )

    def count_steps(
        self, losses: Sequence[float], *, rate_at: Callable[[int], float]
    ) -> None:
        """Counts steps that changed the variables, without their time.

        Args:
            losses: The loss of each step.
            rate_at: Returns the learning rate of a step.
        """
        # One at a time, so that the sum does not depend on the loop's length.
        for loss in losses:
            loss_trace.add(
                self.trace,
                float(loss),
                step=self.step,
                steps_per_epoch=self.steps_per_epoch,
                rate_at=rate_at,
            )
            self.loss_sum += float(loss)
            self.step += 1
        self.current_leg["last_step"] = self.step

    def skip_step(self) -> None:
        """Counts a step that is skipped."""
        self.step += 1

    def count_backup_seconds(self, seconds: float) -> None:
        """Counts seconds that training waited for a save."""
        self.current_leg["backup_seconds"] += seconds

    def count_out_of_memory(self, examples: int) -> None:
        """Records that from now on `examples` are computed at a time."""
        self.current_leg["out_of_memory"].append(
            {"step": self.step, "examples": examples}
        )

    def end_epoch(
        self, row: dict, *, speed: dict, best: dict[str, np.ndarray] | None
    ) -> None:
        """Ends the current epoch.

        Args:
            row: Its row of the history.
            speed: Its timings.
            best: New best weights; None keeps the present ones.
        """
        if best is not None:
            self.best = best
        self.speed.append(speed)
        self.history.append(row)
        self.loss_sum = 0.0

    def add_bad_step(
        self, *, loss: float, image_ids: list[str], skip: bool
    ) -> None:
        """Records that the next step is bad.

        Args:
            loss: Its loss.
            image_ids: Its images.
            skip: Whether the run skips it.
        """
        bad = {
            "step": self.step,
            "loss": str(loss),
            "image_ids": image_ids,
            "passed_over": skip,
        }
        known = [b for b in self.bad_steps if b["step"] != self.step]
        self.bad_steps = [*known, bad]

    @contextlib.contextmanager
    def keeping_legs(self) -> Iterator[None]:
        """Keeps legs and bad steps while an older state is restored."""
        kept = self.legs, self.bad_steps
        yield
        self.legs, self.bad_steps = kept

    def arrays(self) -> dict[str, np.ndarray]:
        """Copies the variables and the best weights to the host."""
        arrays = {
            name: named_variables.to_numpy(v)
            for name, v in self.variables.items()
        }
        return arrays | {_BEST + name: a for name, a in self.best.items()}

    def document(self) -> dict:
        """Returns the other values as JSON values; see run_document.py."""
        self.current_leg["age"] = self.age()
        return {
            "step": self.step,
            "loss_sum": self.loss_sum,
            "history": self.history,
            "legs": self.legs,
            "speed": self.speed,
            "trace": self.trace,
            "bad_steps": self.bad_steps,
        }

    def check(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Checks that restore() can use these arrays.

        Raises:
            ValueError: A variable is missing, has another shape or dtype, or is
                one that this run does not have.
        """
        own = {n: a for n, a in arrays.items() if not n.startswith(_BEST)}
        named_variables.check(self.variables, own, optional=OPTIONAL)

    def restore(self, arrays: Mapping[str, np.ndarray], document: dict) -> None:
        """Restores the state from results of arrays() and document().

        Raises:
            ValueError: They do not fit this run; nothing is changed.
        """
        document = run_document.parse(document)
        self.check(arrays)
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
        """Returns the sha256 of every variable, by name, and the step."""
        return named_variables.digest(
            {n: v for n, v in self.variables.items() if n not in OPTIONAL},
            heading=f"step {self.step}",
        )
