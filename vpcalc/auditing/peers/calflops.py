"""calflops, its MACs: functions replaced by name, one for each multiply-accumulate.

Like DeepSpeed's profiler, of which it is a relative, but ``@``, ``mm``, ``bmm`` and fused attention are not among
the names. A module that stands in several places is added up once a place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from .. import terms
from ..calls import Call, Height, Recording
from ..terms import Term
from . import names
from .deepspeed import Rules, added, charged, convolution, linear, product
from .peer import Charge, Hooks, Peer, visits


def price(recording: Recording) -> Iterator[Charge]:
    """What it charges for each call of a function that it replaces."""
    times = visits(recording)
    for charge in charged(recording, RULES):
        yield charge
        again = times[_owner(recording, charge.call)] - 1
        if again > 0:
            why = "its module is added up once a place"
            yield replace(charge, term=charge.term * again, again=True, why=why)


def _owner(recording: Recording, place: int) -> str:
    """The module within whose call a function was called."""
    while place >= 0 and recording.calls[place].height is not Height.MODULE:
        place = recording.calls[place].parent
    return recording.calls[place].path if place >= 0 else ""


def transposed(call: Call) -> Term:
    """Input positions times the weights that each feeds, divided by the groups once too often."""
    given, weight = call.arg(0, "input"), call.arg(1, "weight")
    filters = weight[1] // call.arg(6, "groups", 1)
    if not filters:
        return terms.number(0)
    return terms.convolution(given[0], tuple(given[2:]), tuple(weight[2:]), filters, given[1])


RULES: Rules = {
    names.LINEAR: linear,
    **dict.fromkeys(names.MATMULS, product),
    **dict.fromkeys(names.ADDED, added),
    **dict.fromkeys(names.CONVOLUTIONS, convolution),
    **dict.fromkeys(names.TRANSPOSED, transposed),
}


def measure(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int | float:
    """As its documentation calls it."""
    from calflops import calculate_flops

    _, macs, _ = calculate_flops(
        module,
        args=list(args),
        kwargs=dict(kwargs),
        print_results=False,
        print_detailed=False,
        output_as_string=False,
    )
    return macs


PEER = Peer("calflops", ("calflops",), "0.3.2", "1 a multiply-accumulate", price, measure, hooks=Hooks.ALL)
