"""What is read off the text of a compiled program."""

import pytest
from ahead import hlo, products

LOOP = """\
HloModule module

%fused (a: f32[8,4], b: f32[4,2]) -> f32[8,2] {
  %a = f32[8,4]{1,0} parameter(0)
  %b = f32[4,2]{1,0} parameter(1)
  ROOT %dot = f32[8,2]{1,0} dot(%a, %b), lhs_contracting_dims={1}
}

%body (state: (s32[], f32[8,4], f32[4,2])) -> (s32[], f32[8,4], f32[4,2]) {
  %state = (s32[], f32[8,4]{1,0}, f32[4,2]{1,0}) parameter(0)
  %x = f32[8,4]{1,0} get-tuple-element(%state), index=1
  %y = f32[4,2]{1,0:S(1)} get-tuple-element(%state), index=2
  %product = f32[8,2]{1,0} fusion(%x, %y), kind=kLoop, calls=%fused, \
backend_config={"estimated_cycles":"100"}
}

ENTRY %main (p: f32[8,4], q: f32[16], r: s32[3]) -> f32[3] {
  %p = f32[8,4]{1,0} parameter(0)
  %q = f32[16]{0} parameter(1)
  %r = s32[3]{0} parameter(2)
  %loop = (s32[], f32[8,4]{1,0}) while(%p), condition=%c, body=%body, \
backend_config={"known_trip_count":{"n":"5"}}
  ROOT %found = f32[3]{0} gather(%q, %r), slice_sizes={1}
}
"""


def test_a_kernel_of_a_loop_counts_each_time():
    product, gather = hlo.read_kernels(LOOP)
    assert (product.name, product.count, product.cycles) == ("product", 5, 100)
    # 8 x 2 sums of 4 products; the operand on the chip is no traffic.
    assert (product.flops, product.float32) == (2 * 8 * 2 * 4, True)
    assert product.bytes == 4 * (8 * 4 + 8 * 2)
    # A gather reads what it returns, not its whole operand.
    assert (gather.count, gather.bytes) == (1, 2 * 3 * 4)
    assert gather.cycles == pytest.approx(3 * 8.9)
    assert (gather.gathers, product.gathers) == (True, False)


def test_text_without_a_main_computation_is_refused():
    with pytest.raises(ValueError, match="ENTRY"):
        hlo.read_kernels("HloModule empty\n")


@pytest.mark.parametrize(
    ("line", "arrays", "flops"),
    [
        # 3 x 3 on 4 x 4 with padding: 10 of 12 pairs an axis meet an input.
        (
            "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f",
            ([2, 4, 4, 5], [3, 3, 5, 7], [2, 4, 4, 7]),
            2 * 10 * 10 * 2 * 7 * 5,
        ),
        # Every second input is a zero of the dilation.
        (
            "window={size=2x1 lhs_dilate=2x1}, dim_labels=b01f_01io->b01f",
            ([1, 3, 1, 1], [2, 1, 1, 1], [1, 4, 1, 1]),
            2 * 4,
        ),
        # A gradient costs what the convolution itself does.
        (
            'custom_call_target="__cudnn$convBackwardFilter", '
            "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f",
            ([2, 4, 4, 5], [2, 4, 4, 7], [3, 3, 5, 7]),
            2 * 10 * 10 * 2 * 7 * 5,
        ),
        (
            'custom_call_target="__cudnn$convBackwardInput", '
            "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f",
            ([2, 4, 4, 7], [3, 3, 5, 7], [2, 4, 4, 5]),
            2 * 10 * 10 * 2 * 7 * 5,
        ),
        (
            'custom_call_target="__cublas$gemm", backend_config={"gemm_backend'
            '_config":{"lhs_contracting_dimensions":["1"]}}',
            ([6, 3], [3, 5], [6, 5]),
            2 * 6 * 5 * 3,
        ),
    ],
)
def test_operations_of_a_product(line, arrays, flops):
    assert products.is_product("custom-call", line) == ("target" in line)
    assert products.flops(line, *arrays) == flops
