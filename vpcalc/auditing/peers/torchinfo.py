"""torchinfo: one for each parameter of a leaf module and each position of its output, which it calls mult-adds.

A position is one of the grid for a class with "Conv" in its name, a step for weights of recurrent layers, and one
of the batch for everything else: a Linear on tokens is counted as if there were one token. Biases, norms and
embeddings are parameters too. What a module with children does itself is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

from .. import terms
from ..calls import Height, Recording
from ..terms import Term
from .peer import Charge, Hooks, Peer, called


def price(recording: Recording) -> Iterator[Charge]:
    """What its hooks add for each call of a leaf."""
    for place, call in called(recording, Height.MODULE):
        if not call.about["leaf"] or not isinstance(call.out, tuple):
            continue
        for name, shape in call.about["params"].items():
            positions, rule = _positions(call.name.rpartition(".")[2], name, call.out)
            if not rule:
                continue
            if name != "bias" and len(shape) > 1 and _multiplies(recording, place):
                yield Charge(place, _weight(call.name, shape, positions), True, rule)
            else:
                what = "a bias" if "bias" in name else "a parameter"
                yield Charge(place, _each(prod(shape), positions), False, f"{what}, {rule}")


def _positions(kind: str, name: str, out: tuple[int, ...]) -> tuple[tuple[int, ...], str]:
    if name in ("weight", "bias"):
        if "Conv" in kind:
            return (out[0], *out[2:]), "once an output position"
        return out[:1], "once a row of the batch"
    if "weight" in name or "bias" in name:
        return out[:2], "once a step"
    return (), ""


def _multiplies(recording: Recording, module: int) -> bool:
    """Whether any product runs within the call of a module."""
    for call in recording.calls:
        if call.macs:
            place = call.parent
            while place > module:
                place = recording.calls[place].parent
            if place == module:
                return True
    return False


def _weight(name: str, shape: tuple[int, ...], positions: tuple[int, ...]) -> Term:
    if "Conv" in name.rpartition(".")[2]:
        return terms.convolution(positions[0], positions[1:], tuple(shape[2:]), shape[1], shape[0])
    if len(shape) == 2:
        return terms.linear(prod(positions), shape[1], shape[0])
    return _each(prod(shape), positions)


def _each(parameters: int, positions: tuple[int, ...]) -> Term:
    return terms.sides(x=prod(positions), p=parameters)


def measure(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int | float:
    """As its documentation calls it."""
    from torchinfo import summary

    return summary(module, input_data=list(args) if args else dict(kwargs), verbose=0).total_mult_adds


PEER = Peer(
    "torchinfo",
    ("torchinfo",),
    "1.8.0",
    "1 mult-add a multiply-accumulate",
    price,
    measure,
    hooks=Hooks.ALL,
    grad=False,
)
