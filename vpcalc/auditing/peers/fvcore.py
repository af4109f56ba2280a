"""fvcore's FlopCountAnalysis: prices the nodes that ``torch.jit`` traces, one for each multiply-accumulate.

It has no price for fused attention and recurrent layers, and says so in a warning only. It adds norms, pooling
and resizing. Its ``matmul`` multiplies the sides of the first operand by the last side of the second, whatever
is broadcast, and its ``einsum`` reads the cost from the text of NumPy's report, which is rounded to four
digits and counts one more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any

from .. import exact, terms
from ..calls import Call, Height, Recording
from ..terms import Term
from .peer import Charge, Hooks, Peer, View, called

_PRODUCTS = frozenset({"aten::addmm", "aten::bmm", "aten::_convolution", "aten::mm", "aten::linear"})


def price(recording: Recording) -> Iterator[Charge]:
    """What it charges for each node."""
    for place, node in called(recording, Height.NODE):
        if node.name in _PRODUCTS:
            yield Charge(place, exact.exact(node))
        elif node.name == "aten::matmul":
            yield Charge(place, _matmul(node), why="broadcasting forgotten")
        elif node.name == "aten::einsum":
            yield Charge(
                place, terms.number(_einsum(node)), why="read from NumPy's report, rounded to four digits"
            )
        elif node.name in _OTHERS:
            factor, shape, why = _OTHERS[node.name](node)
            yield Charge(place, factor * terms.grid(shape), False, why)


def _matmul(node: Call) -> Term:
    left, right = node.args[0], node.args[1]
    counted = prod(left) * right[-1]
    plain = exact.exact(node)
    return plain if plain.macs == counted else terms.sides(x=prod(left), S=right[-1])


def _einsum(node: Call) -> int:
    equation, operands = node.args[0].replace(" ", ""), node.args[1]
    letters: dict[str, str] = {}
    for letter in equation:
        if letter.isalpha():
            letters.setdefault(letter, chr(97 + len(letters)))
    renamed = "".join(letters.get(letter, letter) for letter in equation)
    if renamed == "abc,abd->acd":
        return int(prod(operands[0]) * operands[-1][-1])
    if renamed == "abc,adc->adb":
        return int(prod(operands[0]) * operands[-1][1])
    return reported_by_numpy(renamed, operands) // 2


def reported_by_numpy(equation: str, operands: list[Any]) -> int:
    """The "optimized FLOP count" that ``numpy.einsum_path`` prints."""
    import numpy

    arrays = [numpy.broadcast_to(numpy.zeros(()), shape) for shape in operands]
    report = numpy.einsum_path(equation, *arrays, optimize="optimal")[1]
    line = next(line for line in report.split("\n") if "optimized flop" in line.lower())
    return int(float(line.split(":")[-1]))


_Other = Callable[[Call], "tuple[int, Any, str]"]


def _norm(affine: int) -> _Other:
    def form(node: Call) -> tuple[int, Any, str]:
        factor = 5 if isinstance(node.args[affine], tuple) else 4
        return factor, node.args[0], f"a norm, {factor} an element"

    return form


def _batch_norm(node: Call) -> tuple[int, Any, str]:
    affine = isinstance(node.args[1], tuple)
    factor = (5 if affine else 4) if node.args[5] else 2 if affine else 1
    return factor, node.args[0], f"a norm, {factor} an element"


_OTHERS: Mapping[str, _Other] = {
    "aten::batch_norm": _batch_norm,
    "aten::group_norm": _norm(2),
    "aten::layer_norm": _norm(2),
    "aten::instance_norm": _norm(1),
    "aten::adaptive_avg_pool2d": lambda node: (1, node.args[0], "pooling, 1 an input element"),
    "aten::upsample_nearest2d": lambda node: (1, node.out, "resizing, 1 an output element"),
    "aten::upsample_bilinear2d": lambda node: (4, node.out, "resizing, 4 an output element"),
    "aten::grid_sampler": lambda node: (4, node.out, "sampling, 4 an output element"),
}


def measure(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int | float:
    """As its documentation calls it."""
    from fvcore.nn import FlopCountAnalysis

    return FlopCountAnalysis(module, args).total()


PEER = Peer(
    "fvcore",
    ("fvcore",),
    "0.1.5.post20221221",
    "1 a multiply-accumulate",
    price,
    measure,
    hooks=Hooks.ALL,
    view=View.GRAPH,
    positional=True,
)
