"""Each primitive operator against its definition, and on every kind of dimension."""

from __future__ import annotations

import numpy
import pytest
import sympy

from vpcalc import ops
from vpcalc.algebra import symbols
from vpcalc.cost import Op, Quantity
from vpcalc.dims import ceil_div, conv_size, exact_div, floor_div, smallest
from vpcalc.errors import InputError

# operator, macs, fvcore, params, activations, attention elements: from the definition in each comment
KNOWN = {
    "linear": (ops.linear("x", 5, 3, 7), 105, 105, 28, 35, 0),  # 5·3·7; 3·7 + 7; 5·7
    "linear without bias": (ops.linear("x", 5, 3, 7, bias=False), 105, 105, 21, 35, 0),
    "linear shared": (
        ops.linear("x", 5, 3, 7, shared=True),
        105,
        105,
        0,
        35,
        0,
    ),  # the weight is counted elsewhere
    "matmul": (ops.matmul("x", 2, 3, 4, 5), 120, 120, 0, 30, 0),  # 2·3·4·5; 2·3·5
    "attention map": (ops.matmul("x", 2, 3, 4, 3, attention=True), 72, 72, 0, 18, 18),
    "conv": (ops.conv2d("x", 2, (4, 5), 6, 8, (3, 3)), 17280, 17280, 440, 320, 0),  # 2·20·8·(6·9); 8·54 + 8
    "grouped conv": (ops.conv2d("x", 1, (4, 5), 6, 6, (3, 3), groups=6, bias=False), 1080, 1080, 54, 120, 0),
    "conv_transpose": (ops.conv_transpose2d("x", 2, (4, 5), 6, 8, 3), 17280, 17280, 440, 2880, 0),  # 2·20·6·(8·9)
    "grid_sampler": (ops.grid_sampler("x", 20, 6), 0, 480, 0, 0, 0),  # 4 per output element
    "layer_norm": (ops.layer_norm("x", 4, 6), 0, 120, 12, 0, 0),  # 5 per element
    "layer_norm without affine": (ops.layer_norm("x", 4, 6, affine=False), 0, 96, 0, 0, 0),  # 4 per element
    "group_norm without affine": (ops.group_norm("x", 4, 6, affine=False), 0, 96, 0, 0, 0),
    "batch_norm": (ops.batch_norm("x", 4, 6), 0, 48, 12, 0, 0),  # 2 per element in eval mode
    "batch_norm without affine": (ops.batch_norm("x", 4, 6, affine=False), 0, 24, 0, 0, 0),
    "adaptive_avg_pool2d": (ops.adaptive_avg_pool2d("x", 2, (4, 5), 6), 0, 240, 0, 0, 0),  # its input
    "upsample_bilinear2d": (ops.upsample_bilinear2d("x", 1, (4, 5), 6), 0, 480, 0, 0, 0),  # 4 per output element
    "table": (ops.table("x", 10, 6), 0, 0, 60, 0, 0),
}

ORDER = (Quantity.MACS, Quantity.FVCORE, Quantity.PARAMS, Quantity.ACTIVATIONS, Quantity.ATTENTION)


@pytest.mark.parametrize("name", KNOWN)
def test_known_answer(name: str) -> None:
    op, *expected = KNOWN[name]
    assert [quantity.of(op) for quantity in ORDER] == expected


@pytest.mark.parametrize("name", KNOWN)
def test_a_flop_is_half_a_mac(name: str) -> None:
    op: Op = KNOWN[name][0]
    assert Quantity.FLOPS.of(op) == 2 * Quantity.MACS.of(op)


def test_the_same_lines_serve_symbols_and_arrays() -> None:
    n, c = symbols("N C")
    s, t = sympy.symbols("N C")
    sizes = numpy.array([2, 3, 5])
    assert ops.linear("x", n, c, 3 * c).macs == 3 * n * c**2
    assert sympy.expand(ops.linear("x", s, t, 3 * t).macs - 3 * s * t**2) == 0
    assert ops.linear("x", sizes, 4, 12).macs.tolist() == [96, 144, 240]


def test_dimensions_round_as_code_rounds_and_symbols_do_not_round() -> None:
    (h,) = symbols("h")
    assert (ceil_div(13, 7), floor_div(13, 7), conv_size(13, 3, 2, 1)) == (2, 1, 7)
    assert (ceil_div(h, 7), floor_div(h, 7)) == (h / 7, h / 7)
    assert conv_size(h, 7, 4, 3) == h / 4
    assert conv_size(h, 3, 2, 1) == h / 2
    assert numpy.array_equal(ceil_div(numpy.array([13, 14]), 7), [2, 2])
    assert smallest(7, 5, 9) == 5
    assert smallest(7, h, h) == 7
    assert smallest(7, numpy.array([5, 9])).tolist() == [5, 7]


@pytest.mark.parametrize("size", [8, 13, 14, 56])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(7, 4, 3), (3, 2, 1), (3, 1, 1), (1, 2, 0), (2, 2, 0)])
def test_conv_size_is_what_torch_says(size: int, kernel: int, stride: int, padding: int) -> None:
    import torch

    conv = torch.nn.Conv2d(1, 1, kernel, stride, padding, device="meta")
    out = conv(torch.empty(1, 1, size, size, device="meta"))
    assert out.shape[-1] == conv_size(size, kernel, stride, padding)


def test_indivisible_dimensions_are_refused_by_name() -> None:
    with pytest.raises(InputError, match="heads = 5 does not divide C = 96"):
        exact_div(96, 5, "heads", "C")
    with pytest.raises(InputError):
        exact_div(numpy.array([96, 97]), 3)
