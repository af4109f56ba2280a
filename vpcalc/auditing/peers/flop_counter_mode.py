"""torch's FlopCounterMode: prices operators as they are dispatched, two for each multiply-accumulate.

Operators without a formula count nothing, in silence: on a CPU the kernel of fused attention is one. The gradient
of a convolution's weight is priced as if every channel met every other, whatever ``groups`` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .. import exact, terms
from ..calls import Call, Height, Recording
from .peer import Charge, Peer, called

_ATTENTION = tuple(
    f"aten::_scaled_dot_product_{kind}_attention{way}"
    for kind in ("flash", "efficient", "cudnn")
    for way in ("", "_backward")
)
_KERNELS = tuple(
    f"aten::_{kind}_attention_{way}" for kind in ("flash", "efficient") for way in ("forward", "backward")
)
_PRICED = frozenset(
    {
        "aten::mm",
        "aten::addmm",
        "aten::bmm",
        "aten::baddbmm",
        "aten::_scaled_mm",
        "aten::convolution",
        "aten::_convolution",
        "aten::cudnn_convolution",
        "aten::convolution_overrideable",
        "aten::_slow_conv2d_forward",
        "higher_order::flex_attention",
        "higher_order::flex_attention_backward",
        *_ATTENTION,
        *_KERNELS,
    }
)


def price(recording: Recording) -> Iterator[Charge]:
    """What it charges for each operator."""
    for place, call in called(recording, Height.OPERATOR):
        if call.name in _PRICED:
            yield Charge(place, exact.exact(call))
        elif call.name == "aten::convolution_backward":
            yield Charge(place, _convolution_backward(call), why="the weight's gradient ignores groups")


def _convolution_backward(call: Call) -> terms.Term:
    x = call.kwargs
    given, weight, grad = x["input"], x["weight"], x["grad_output"]
    data, weights = x["output_mask"][0], x["output_mask"][1]
    forward = exact.conv(given, weight, grad, bool(x["transposed"]))
    if x["groups"] == 1:
        return forward * (int(data) + int(weights))
    # The gradient of the weight is a convolution again. Its channels are those of the input and of the result.
    grid = given if x["transposed"] else grad
    every = terms.convolution(grid[0], tuple(grid[2:]), tuple(weight[2:]), given[1], grad[1])
    return terms.added(forward * int(data), every * int(weights))


def measure(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], backward: bool = False) -> int | float:
    """As its documentation calls it; with ``backward``, around the gradients of the sum of the outputs too."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from ...counters.dispatch import tensors_of

    with FlopCounterMode(display=False) as counter:
        result = module(*args, **kwargs)
        if backward:
            outputs = [tensor for tensor in tensors_of(result) if tensor.requires_grad]
            torch.autograd.backward(outputs, [torch.ones_like(tensor) for tensor in outputs])
    return counter.get_total_flops()


PEER = Peer(
    "FlopCounterMode",
    ("torch",),
    "2.13.0",
    "2 a multiply-accumulate, halved here",
    price,
    measure,
    per_mac=2,
    backward=True,
)
