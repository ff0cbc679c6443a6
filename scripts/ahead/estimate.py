"""Estimates whether a step fits a device, its time and what limits it.

On a GPU a kernel takes the longest of: its bytes at 85 % of the memory's speed,
its products at 40 % of the units' speed, and 4 us for its launch. On a TPU it
takes the cycles that the compiler estimates; this project adds those of gathers
(see hlo.py). The estimates do not contain waiting for the host or cuDNN's own
copies, so the real number of images/s is lower.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ahead.targets import Target

SPARE = 0.1  # Part of the memory that must stay free for unknown needs.
_BANDWIDTH = 0.85
_PRODUCTS = 0.4
_LAUNCH = 4e-6  # Seconds.


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The needs of a step on a device; bytes and seconds of one step.

    Attributes:
        arguments: Bytes of the run's variables and of two batches; one of them
            is being copied.
        temporaries: Bytes of other memory of a step at its peak.
        memory: Bytes of the device.
        flops: Number of operations of products.
        moved: Bytes read and written.
        kernels: Number of kernels that run.
        seconds: Seconds of each program, gradients and update.
        limit: What takes the most time.
        images_per_second: An upper bound.
        hours: A lower bound for the preset's epochs over 4 of 5 folds.
    """

    arguments: float
    temporaries: float
    memory: float
    flops: float
    moved: float
    kernels: int
    seconds: Mapping[str, float]
    limit: str
    images_per_second: float
    hours: float

    @property
    def fits(self) -> bool:
        """Whether a tenth of the memory stays free."""
        used = self.arguments + self.temporaries
        return used <= (1 - SPARE) * self.memory


def make(
    target: Target,
    step: Mapping[str, Any],
    programs: Mapping[str, Mapping[str, Any]],
) -> Estimate:
    """Returns the estimate.

    Args:
        target: The device.
        step: The content of step.json from export.py.
        programs: The results of compiling.py, by name.
    """
    seconds, reasons = {}, {}
    for name, program in programs.items():
        seconds[name] = 0.0
        for kernel in program["kernels"]:
            reason, each = _time(target, kernel)
            total = each * kernel["count"]
            seconds[name] += total
            reasons[reason] = reasons.get(reason, 0.0) + total
    kernels = [k for program in programs.values() for k in program["kernels"]]
    whole = sum(seconds.values())
    rate = step["batch"] / whole if kernels else 0.0
    return Estimate(
        arguments=step["variables"] + 2 * step["features"],
        temporaries=step["gradients"]
        + max(program["temporaries"] for program in programs.values()),
        memory=target.memory,
        flops=_sum(kernels, "flops"),
        moved=_sum(kernels, "bytes"),
        kernels=sum(kernel["count"] for kernel in kernels),
        seconds=seconds,
        limit=_describe(reasons, whole) if kernels else "memory's size",
        images_per_second=rate,
        hours=step["epochs"] * step["images"] / rate / 3600 if rate else 0.0,
    )


def _time(target: Target, kernel: Mapping[str, Any]) -> tuple[str, float]:
    """Returns what limits a kernel, and its seconds."""
    peak = target.float32_flops if kernel["float32"] else target.flops
    moving = kernel["bytes"] / target.bandwidth
    computing = kernel["flops"] / peak
    if target.kind == "gpu":
        times = {
            "memory's speed": moving / _BANDWIDTH,
            "products": computing / _PRODUCTS,
            "launches": _LAUNCH,
        }
        return max(times.items(), key=lambda item: item[1])
    cycles = kernel["cycles"] / target.clock
    if kernel["gathers"]:
        return "gathers", cycles
    if max(moving, computing) < 0.5 * cycles:
        return "vector units", cycles
    # A copy without an estimate runs in parallel with other kernels.
    return ("products" if computing > moving else "memory's speed"), cycles


def _sum(kernels: Sequence[Mapping[str, Any]], what: str) -> float:
    return sum(kernel[what] * kernel["count"] for kernel in kernels)


def _describe(reasons: Mapping[str, float], whole: float) -> str:
    """Returns the limits of a step: "memory's speed 71 %, products 20 %"."""
    ordered = sorted(reasons.items(), key=lambda item: -item[1])
    return ", ".join(
        f"{reason} {100 * seconds / whole:.0f} %"
        for reason, seconds in ordered
        if seconds >= 0.05 * whole
    )
