"""Reads the costs of the kernels of a compiled program from its text.

    kernels = hlo.read_kernels(text)      # of an HLO module after optimisation
    sum(kernel.bytes * kernel.count for kernel in kernels)

A kernel is an instruction of the main computation or of a loop's body; in a
loop it counts once for each iteration. XLA's own cost analysis counts loops
once, and the CUDA plugin has no such analysis.
"""

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping

from ahead import hlo_text, products
from ahead.hlo_text import Instruction

# Instructions that compute nothing and move nothing.
_FREE = frozenset(
    {
        "parameter",
        "constant",
        "tuple",
        "get-tuple-element",
        "bitcast",
        "after-all",
        "partition-id",
        "replica-id",
        "opt-barrier",
        "add-dependency",
        "copy-done",
        "slice-done",
        "async-done",
        "async-update",
    }
)
# These read only as much of their first operand as they return.
_PARTIAL = frozenset({"dynamic-slice", "slice", "gather"})
# A TPU gathers one slice after another, in a loop of scalar instructions:
# 567 bundles for 64 of them, by libtpu's dump for a v5e.
_GATHER_CYCLES = 8.9

_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_CALLED = re.compile(r"(?:calls|to_apply|body)=%?([\w.\-]+)")
_PARAMETER = re.compile(r"parameter\((\d+)\)")
_SLICES = re.compile(r"slice_sizes=\{([\d,]*)\}")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")


@dataclasses.dataclass(frozen=True)
class Kernel:
    """An instruction that runs as a kernel.

    Attributes:
        name: Its name in the program.
        count: How often it runs in a step.
        bytes: Bytes of the device's memory read and written.
        flops: Floating point operations of products; a multiply-add is two.
        float32: Whether its products are of float32.
        cycles: On a TPU, the estimate of its compiler; 0 if there is none.
        gathers: Whether the cycles are of a gather, estimated by this module.
    """

    name: str
    count: int
    bytes: int
    flops: float
    float32: bool
    cycles: float
    gathers: bool


def read_kernels(text: str) -> list[Kernel]:
    """Returns the kernels of a module.

    Raises:
        ValueError: The text has no main computation.
    """
    computations, entry = hlo_text.parse(text)
    if entry is None:
        raise ValueError("the program's text has no line that begins ENTRY")
    return list(_Reader(computations).kernels(entry, 1))


class _Reader:
    def __init__(
        self, computations: Mapping[str, Mapping[str, Instruction]]
    ) -> None:
        self.computations = computations

    def kernels(self, name: str, count: int) -> Iterator[Kernel]:
        """Yields the kernels of a computation that runs `count` times."""
        body = self.computations[name]
        for item in body.values():
            if item.opcode in _FREE:
                continue
            if item.opcode == "while":
                trips = _TRIPS.search(item.line)
                times = int(trips[1]) if trips else 1
                yield from self.kernels(_called(item), count * times)
            elif item.opcode == "call":
                yield from self.kernels(_called(item), count)
            elif item.opcode == "conditional":
                for branch in _BRANCHES.findall(item.line):
                    for inner in re.findall(r"[\w.\-]+", branch):
                        yield from self.kernels(inner, count)
            else:
                yield self._kernel(item, body, count)

    def _kernel(
        self,
        item: Instruction,
        body: Mapping[str, Instruction],
        count: int,
    ) -> Kernel:
        inside = {item.name: item}
        if item.opcode in ("fusion", "async-start"):
            inside = self.computations[_called(item)]
            moved = self._fusion_bytes(item, body, inside)
        elif item.opcode in ("copy-start", "slice-start"):
            moved = hlo_text.copied_bytes(item.shape)
        elif item.opcode in _PARTIAL:
            moved = 2 * hlo_text.count_bytes(item.shape)
        elif item.opcode == "dynamic-update-slice":
            moved = 2 * hlo_text.count_bytes(body[item.operands[1]].shape)
        else:
            moved = hlo_text.count_bytes(item.shape) + sum(
                hlo_text.count_bytes(body[name].shape) for name in item.operands
            )
        shapes = {**body, **inside}
        parts = [_product(part, shapes) for part in inside.values()]
        flops = sum(flops for flops, _ in parts)
        estimated = _CYCLES.search(item.line)
        gathers = sum(map(_gather_cycles, inside.values()))
        return Kernel(
            name=item.name,
            count=count,
            bytes=moved,
            flops=flops,
            float32=any(flops and single for flops, single in parts),
            cycles=int(estimated[1]) if estimated else gathers,
            gathers=bool(gathers) and not estimated,
        )

    def _fusion_bytes(
        self,
        item: Instruction,
        body: Mapping[str, Instruction],
        inside: Mapping[str, Instruction],
    ) -> int:
        """Returns the bytes that a fusion reads and writes.

        Of an array of which it uses only parts, only these parts count.
        """
        users = {}
        for part in inside.values():
            for position, name in enumerate(part.operands):
                users.setdefault(name, []).append((part, position))
        moved, written = 0, hlo_text.count_bytes(item.shape)
        for part in inside.values():
            if part.opcode == "dynamic-update-slice":
                written -= hlo_text.count_bytes(part.shape)
                written += hlo_text.count_bytes(inside[part.operands[1]].shape)
            if part.opcode != "parameter":
                continue
            index = int(hlo_text.find(_PARAMETER, part.line))
            size = hlo_text.count_bytes(body[item.operands[index]].shape)
            seen = [
                hlo_text.count_bytes(user.shape)
                if user.opcode in _PARTIAL
                else 0
                if user.opcode == "dynamic-update-slice"
                else size
                for user, position in users.get(part.name, ())
                if position == 0 or user.opcode not in _PARTIAL
            ]
            moved += min(size, sum(seen)) if seen else size
        return moved + max(written, 0)


def _called(item: Instruction) -> str:
    """Returns the name of the computation that an instruction runs."""
    return hlo_text.find(_CALLED, item.line)


def _product(
    item: Instruction, shapes: Mapping[str, Instruction]
) -> tuple[float, bool]:
    """Returns a product's floating point operations, and if it is float32."""
    if not products.is_product(item.opcode, item.line):
        return 0.0, False
    left, right = (shapes[name].shape for name in item.operands[:2])
    arrays = map(hlo_text.dimensions, (left, right, item.shape))
    return products.flops(item.line, *arrays), left.startswith("f32")


def _gather_cycles(item: Instruction) -> float:
    if item.opcode != "gather":
        return 0.0
    slices = hlo_text.find(_SLICES, item.line)
    size = math.prod(hlo_text.numbers(slices))
    return _GATHER_CYCLES * math.prod(hlo_text.dimensions(item.shape)) / size
