"""DeepSpeed's flops profiler, its MACs: functions replaced by name, one for each multiply-accumulate.

``F.linear``, convolutions, ``@``, matmul and fused attention are seen, whoever calls them by those names; a call
from C++ is not, nor is anything in a layer of recurrent networks. Where a kernel written in Python calls one of
the names again, as on the meta device, the product is added twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any

from .. import exact, terms
from ..calls import Call, Height, Recording
from ..terms import Term
from . import names
from .peer import Charge, Hooks, Peer, called

Rules = Mapping[str, Callable[[Call], Term]]


def price(recording: Recording) -> Iterator[Charge]:
    """What it charges for each call of a function that it replaces."""
    return charged(recording, RULES)


def charged(recording: Recording, rules: Rules) -> Iterator[Charge]:
    """One charge for each call by one of the names."""
    for place, call in called(recording, Height.FUNCTION):
        if call.name in rules:
            yield Charge(place, rules[call.name](call), why=_WHY.get(call.name, ""))


def linear(call: Call) -> Term:
    """Elements of the input times output features."""
    given, weight = call.arg(0, "input"), call.arg(1, "weight")
    return terms.linear(prod(given[:-1]), given[-1], weight[0])


def product(call: Call) -> Term:
    """Elements of the first operand times the last side of the second: right where nothing is broadcast."""
    return rectangle(call.arg(0, "input"), call.arg(1, "other", call.kwargs.get("mat2")))


def rectangle(left: Any, right: Any) -> Term:
    """Elements of the first times the last side of the second."""
    if len(left) > 2 and len(right) > 2:
        return terms.batched(prod(left[:-2]), left[-2], left[-1], right[-1])
    return terms.linear(prod(left[:-1]), left[-1], right[-1])


def added(call: Call) -> Term:
    """The same for addmm and its kin, whose first operand is what is added to."""
    return rectangle(
        call.arg(1, "mat1", call.kwargs.get("batch1")), call.arg(2, "mat2", call.kwargs.get("batch2"))
    )


def convolution(call: Call) -> Term:
    """Output positions times the weights behind each."""
    given, weight = call.arg(0, "input"), call.arg(1, "weight")
    return terms.convolution(given[0], convolved(call), tuple(weight[2:]), weight[1], weight[0])


def convolved(call: Call) -> tuple[int, ...]:
    """The output's sides, found as the counter finds them: from the arguments."""
    given, weight = call.arg(0, "input"), call.arg(1, "weight")
    axes = len(given) - 2
    stride = spread(call.arg(3, "stride", 1), axes)
    dilation = spread(call.arg(5, "dilation", 1), axes)
    padding = call.arg(4, "padding", 0)
    kernel = weight[2:]
    if padding == "valid":
        padding = 0
    pad = (
        [d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True)]
        if padding == "same"
        else spread(padding, axes)
    )
    return tuple(
        (side + 2 * p - (d * (k - 1) + 1)) // s + 1
        for side, k, s, p, d in zip(given[2:], kernel, stride, pad, dilation, strict=True)
    )


def spread(value: Any, axes: int) -> list[int]:
    """One number for all axes, or one for each."""
    return list(value) if isinstance(value, (list, tuple)) else [value] * axes


def transposed(call: Call) -> Term:
    """Input positions times the weights that each feeds."""
    given, weight = call.arg(0, "input"), call.arg(1, "weight")
    return terms.convolution(given[0], tuple(given[2:]), tuple(weight[2:]), weight[1], weight[0])


def attention(call: Call) -> Term:
    """Both products of fused attention."""
    return exact.sdpa(call.arg(0, "query"), call.arg(1, "key"), call.arg(2, "value"))


RULES: Rules = {
    names.LINEAR: linear,
    names.ATTENTION: attention,
    names.OPERATOR: product,
    **dict.fromkeys((*names.MATMULS, *names.PRODUCTS), product),
    **dict.fromkeys(names.ADDED, added),
    **dict.fromkeys(names.CONVOLUTIONS, convolution),
    **dict.fromkeys(names.TRANSPOSED, transposed),
}
_WHY = dict.fromkeys((*names.MATMULS, names.OPERATOR), "broadcasting forgotten")


def measure(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int | float:
    """As its documentation calls it."""
    from deepspeed.profiling.flops_profiler import get_model_profile

    _, macs, _ = get_model_profile(
        module, args=list(args), kwargs=dict(kwargs), print_profile=False, detailed=False, as_string=False
    )
    return macs


PEER = Peer("deepspeed", ("deepspeed",), "0.19.8", "1 a multiply-accumulate", price, measure, hooks=Hooks.ALL)
