"""ptflops with its second backend: prices operators as they are dispatched, one for each multiply-accumulate.

It has prices for matrix products and convolutions and adds their biases; fused kernels count nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .. import exact, terms
from ..calls import Height, Recording
from .peer import Charge, Hooks, Peer, called
from .ptflops import run


def price(recording: Recording) -> Iterator[Charge]:
    """What it charges for each operator."""
    for place, call in called(recording, Height.OPERATOR):
        if call.name in ("aten::mm", "aten::bmm", "aten::addmm", "aten::convolution", "aten::_convolution"):
            yield Charge(place, exact.exact(call))
        if call.name == "aten::addmm":
            yield Charge(place, terms.elements(call.out), False, "a bias, 1 an output element")
        elif call.name in ("aten::convolution", "aten::_convolution") and call.kwargs["bias"] is not None:
            yield Charge(place, terms.grid(call.out), False, "a bias, 1 an output element")


def measure(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int | float:
    """As its documentation calls it."""
    return run(module, args, kwargs, "aten")


PEER = Peer("ptflops-aten", ("ptflops",), "0.7.5", "1 a multiply-accumulate", price, measure, hooks=Hooks.CHILDREN)
