"""The floating point operations of an instruction that multiplies.

A multiply-add counts as two. Products with padding and with the zeros of a
dilation do not count, as in XLA's own cost analysis.
"""

import math
import re

from ahead import hlo_text

_WINDOW = re.compile(r"window=\{([^}]*)\}")
_LABELS = re.compile(r"dim_labels=(\w+)_(\w+)->(\w+)")
_CONTRACTED = re.compile(
    r'lhs_contracting_(?:dims|dimensions)"?[=:][\[{]([^\]}]*)'
)


def is_product(opcode: str, line: str) -> bool:
    """Returns whether an instruction is a convolution or a matrix product.

    Args:
        opcode: Its operation.
        line: The instruction, with its attributes.
    """
    return opcode in ("convolution", "dot") or (
        opcode == "custom-call"
        and re.search(r'custom_call_target="__cu\w+\$', line) is not None
    )


def flops(
    line: str, left: list[int], right: list[int], result: list[int]
) -> float:
    """Returns the operations of an instruction for which is_product holds.

    Args:
        line: The instruction, with its attributes.
        left: Dimensions of the first operand.
        right: Dimensions of the second.
        result: Dimensions of the (first) result.
    """
    labels = _LABELS.search(line)
    if labels is None:
        depth = math.prod(left[axis] for axis in _contracted(line))
        return 2.0 * math.prod(result) * depth
    # cuDNN names the axes of the convolution whose gradient it computes.
    if "$convBackwardInput" in line:
        left, right, result = result, right, left
    elif "$convBackwardFilter" in line:
        left, right, result = left, result, right
    spaces = sorted(axis for axis in labels[1] if axis.isdigit())
    touched = math.prod(
        _count_pairs(
            *(
                array[names.index(axis)]
                for array, names in zip(
                    (left, right, result), labels.groups(), strict=True
                )
            ),
            **_window(line, int(axis)),
        )
        for axis in spaces
    )
    outputs = math.prod(result[labels[3].index(axis)] for axis in "bf")
    return 2.0 * touched * outputs * right[labels[2].index("i")]


def _contracted(line: str) -> list[int]:
    axes = hlo_text.find(_CONTRACTED, line)
    return [int(axis) for axis in re.findall(r"\d+", axes)]


def _window(line: str, axis: int) -> dict[str, int]:
    """Returns stride, padding before, and dilations along an axis."""
    window = _WINDOW.search(line)
    fields = dict(re.findall(r"(\w+)=(\S+)", window[1] if window else ""))

    def along(name: str, default: int) -> int:
        # "3x3", and for padding "0_1x0_1", before and after.
        parts = fields.get(name, "").split("x")
        return int(parts[axis].partition("_")[0]) if name in fields else default

    return {
        "stride": along("stride", 1),
        "pad": along("pad", 0),
        "left_dilation": along("lhs_dilate", 1),
        "right_dilation": along("rhs_dilate", 1),
    }


def _count_pairs(
    size: int,
    kernel: int,
    outputs: int,
    *,
    stride: int,
    pad: int,
    left_dilation: int,
    right_dilation: int,
) -> int:
    """Counts the pairs of an output and a kernel element that read an input.

    The other pairs read padding, or the zeros between dilated inputs.
    """
    last = (size - 1) * left_dilation
    return sum(
        0 <= index <= last and index % left_dilation == 0
        for output in range(outputs)
        for index in range(
            output * stride - pad,
            output * stride - pad + kernel * right_dilation,
            right_dilation,
        )
    )
