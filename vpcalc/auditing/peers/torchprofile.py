"""torchprofile: prices the nodes that ``torch.jit`` traces, one for each multiply-accumulate.

It knows fused attention and LSTMs. It adds one for each element that a multiplication, a mean, a pooling or an
affine norm returns, and its transposed convolutions count the output where the input is meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

from .. import exact, terms
from ..calls import Call, Height, Recording
from ..terms import Term
from .peer import Charge, Peer, View, called

_PRODUCTS = frozenset(
    {
        "aten::addmm",
        "aten::bmm",
        "aten::baddbmm",
        "aten::matmul",
        "aten::linear",
        "aten::scaled_dot_product_attention",
    }
)
_POOLING = frozenset(f"aten::{kind}avg_pool{axes}d" for kind in ("", "adaptive_") for axes in (1, 2, 3))


def price(recording: Recording) -> Iterator[Charge]:
    """What it charges for each node."""
    for place, node in called(recording, Height.NODE):
        name = node.name
        if name in _PRODUCTS:
            yield Charge(place, exact.exact(node))
        elif name == "aten::_convolution":
            yield Charge(place, _convolution(node), why="a transposed convolution, priced by its output")
        elif name == "aten::lstm":
            yield Charge(place, _lstm(node))
        elif name == "aten::einsum":
            yield Charge(place, terms.number(_einsum(node)))
        elif name in ("aten::mul", "aten::mul_"):
            yield Charge(place, terms.elements(node.out), False, "a multiplication, 1 an element")
        elif name in _AFFINE and isinstance(node.args[_AFFINE[name]], tuple):
            yield Charge(place, terms.grid(node.out), False, "an affine norm, 1 an element")
        elif name in _POOLING:
            yield Charge(place, terms.grid(node.out), False, "pooling, 1 an output element")
        elif name == "aten::mean":
            yield Charge(place, terms.elements(node.out), False, "a mean, 1 an output element")
        elif name == "aten::leaky_relu":
            yield Charge(place, terms.elements(node.out), False, "an activation, 1 an element")
        elif name == "aten::upsample_bilinear2d":
            yield Charge(place, 4 * terms.grid(node.out), False, "resizing, 4 an output element")
        elif name == "aten::grid_sampler" and node.args[2] != 1:
            factor = 16 if node.args[2] == 2 else 4
            yield Charge(place, factor * terms.grid(node.out), False, f"sampling, {factor} an output element")


_AFFINE = {"aten::batch_norm": 1, "aten::instance_norm": 1, "aten::layer_norm": 2, "aten::group_norm": 2}


def _convolution(node: Call) -> Term:
    """The output times a weight's taps; the output's channels tell which side of the weight is the input's."""
    weight, out = node.args[1], node.out
    channels = weight[1] if out[1] == weight[0] else weight[0]
    return terms.convolution(out[0], tuple(out[2:]), tuple(weight[2:]), channels, out[1])


def _lstm(node: Call) -> Term:
    """Every layer and direction has 4·n·(d + n) weights; layers above the first read both directions."""
    given, weights = node.args[0], [w for w in node.args[2] if w is not None and len(w) == 2]
    return terms.sides(T=prod(given[:-1]), p=sum(prod(w) for w in weights))


def _einsum(node: Call) -> int:
    equation, operands = node.args[0], node.args[1]
    if not equation or not operands or "..." in equation or None in operands:
        return 0
    sides: dict[str, int] = {}
    for letters, shape in zip(equation.split("->")[0].split(","), operands, strict=False):
        sides.update(zip(letters.replace(" ", ""), shape, strict=False))
    return prod(sides.values())


def measure(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int | float:
    """As its documentation calls it."""
    from torchprofile import profile_macs

    return profile_macs(module, args)


PEER = Peer(
    "torchprofile",
    ("torchprofile",),
    "0.1.0",
    "1 a multiply-accumulate",
    price,
    measure,
    view=View.GRAPH,
    positional=True,
)
