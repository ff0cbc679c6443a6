"""Parses an HLO module's text: computations, instructions and shapes."""

import dataclasses
import math
import re

_BITS = {"pred": 8, "token": 0, "c64": 64, "c128": 128}
_INSTRUCTION = re.compile(r"\s+(?:ROOT )?%?([\w.\-]+) = ")
_ARRAY = re.compile(r"\b([a-z]\w*)\[([\d,]*)\](\{[^}]*\})?")
_COMPUTATION = re.compile(r"(ENTRY )?%?([\w.\-]+) .*\{\s*$")


@dataclasses.dataclass(frozen=True)
class Instruction:
    """A line of a program: NAME = SHAPE OPCODE(OPERANDS), attributes.

    `line` is the complete line.
    """

    name: str
    opcode: str
    shape: str
    operands: tuple[str, ...]
    line: str


def parse(text: str) -> tuple[dict[str, dict[str, Instruction]], str | None]:
    """Returns the instructions of each computation, and the main one's name."""
    computations, entry, current = {}, None, {}
    for line in text.splitlines():
        match = _INSTRUCTION.match(line)
        if match:
            rest = line[match.end() :]
            shape, rest = _split_shape(rest)
            opcode, _, rest = rest.partition("(")
            operands = re.findall(r"%([\w.\-]+)", rest[: _closing(rest)])
            current[match[1]] = Instruction(
                match[1], opcode.strip(), shape, tuple(operands), line
            )
        elif match := _COMPUTATION.match(line):
            current = computations[match[2]] = {}
            entry = match[2] if match[1] else entry
    return computations, entry


def _split_shape(text: str) -> tuple[str, str]:
    """Splits "f32[2]{0} add(…" after the shape."""
    end = _closing(text[1:]) + 2 if text.startswith("(") else text.index(" ")
    return text[:end], text[end:]


def _closing(text: str) -> int:
    """Returns the index of the parenthesis that closes the open one."""
    depth = 1
    for index, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return index
    return len(text)


def find(pattern: re.Pattern[str], line: str) -> str:
    """Returns the first group of a pattern in an instruction.

    Raises:
        ValueError: The instruction has no such attribute.
    """
    match = pattern.search(line)
    if match is None:
        raise ValueError(f"expected {pattern.pattern} in {line.strip()}")
    return match[1]


def count_bytes(shape: str) -> int:
    """Returns the size in bytes of a shape in the device's main memory."""
    total = 0
    for kind, dimensions, layout in _ARRAY.findall(shape):
        if "S(1)" in layout:  # A TPU's memory on the chip.
            continue
        digits = re.search(r"\d+", kind)
        bits = _BITS.get(kind, int(digits[0]) if digits else 0)
        total += math.prod(numbers(dimensions)) * bits // 8
    return total


def copied_bytes(shape: str) -> int:
    """Returns the bytes that a copy moves in the device's main memory.

    Args:
        shape: The shape of a copy: (destination, source, …).
    """
    source, target = (match[0] for match in list(_ARRAY.finditer(shape))[1::-1])
    sizes = count_bytes(source), count_bytes(target)
    return min(sizes) * 2 if all(sizes) else max(sizes)


def dimensions(shape: str) -> list[int]:
    """Returns the dimensions of the first array of a shape."""
    match = _ARRAY.search(shape)
    return numbers(match[2]) if match else []


def numbers(text: str) -> list[int]:
    """Returns the numbers in a text."""
    return [int(number) for number in re.findall(r"\d+", text)]
