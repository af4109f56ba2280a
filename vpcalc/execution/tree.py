"""The cost tree as a reading of a run: what a program called, under the modules that called it.

A tree of the abstract layers has one operator for each call; here it is one for all calls of a function within a
module, since that is how a run adds up. Its sizes are forms.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..algebra.polynomial import Polynomial, constant
from ..cost import Cost, Op
from .outcome import Execution

PRICED = ("macs", "fvcore", "params", "activations", "attention_elements")
"""Quantities that an operator of the tree has."""

_NAMES = {"mm": "matmul", "conv_transpose": "conv"}


def tree(execution: Execution, name: str = "") -> Cost:
    """What one run called, by module: operators without MACs as far as some convention prices them."""
    in_order = ("params", *PRICED)  # modules come as they are defined
    places = dict.fromkeys(place for quantity in in_order for place in execution.calls.get(quantity, {}))
    return _node(execution, name, "", tuple(places))


def kind_of(function: str) -> str:
    """A function of torch by the name under which fvcore reports it."""
    name = function.strip("_").rstrip("123d") if "conv" in function else function.strip("_")
    return _NAMES.get(name, name)


def _node(execution: Execution, name: str, path: str, places: Iterable[tuple[str, str]]) -> Cost:
    own: list[Op] = []
    below: dict[str, list[tuple[str, str]]] = {}
    for place in places:
        if place[0] == path:
            own.append(_op(execution, place))
        else:
            child = place[0][len(path) + 1 if path else 0 :].partition(".")[0]
            below.setdefault(child, []).append(place)
    children = (_node(execution, child, f"{path}.{child}" if path else child, p) for child, p in below.items())
    return Cost(name, tuple(own), tuple(children))


def _op(execution: Execution, place: tuple[str, str]) -> Op:
    macs, fvcore, params, activations, attention = (_of(execution, quantity, place) for quantity in PRICED)
    kind = kind_of(place[1])
    return Op(kind, place[1].strip("_"), macs, fvcore - macs, params, activations, attention)


def _of(execution: Execution, quantity: str, place: tuple[str, str]) -> Polynomial:
    return execution.calls.get(quantity, {}).get(place, constant(0))
