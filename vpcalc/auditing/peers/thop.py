"""thop: hooks on modules of torch.nn's own classes, one for each multiply-accumulate.

Functions are not seen at all: no ``@``, no fused attention, no ``F.linear``. Biases are free; an affine norm is 4
an element and another 2. A module that stands in several places is hooked once a place and added up once a place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any

from .. import terms
from ..calls import Call, Height, Recording
from ..terms import Term
from .peer import Charge, Hooks, Peer, called, visits

Rule = Callable[[Call], "Iterator[tuple[Term, bool, str]]"]
"""What a hook adds for one call: the term, whether it stands for a product, and the rule in words."""


def price(recording: Recording) -> Iterator[Charge]:
    """What its hooks add for each call of a module."""
    times = visits(recording, frozenset(_RULES) - {"torch.nn.modules.container.Sequential"})
    for place, call in called(recording, Height.MODULE):
        if call.name not in _RULES:
            continue
        visited = times[call.path]
        for term, product, why in _RULES[call.name](call):
            if visited:
                yield Charge(place, term, product, why)
            if visited > 1:
                yield Charge(place, term * (visited**2 - 1), product, "hooked and added up once a place", True)


def _linear(call: Call) -> Iterator[tuple[Term, bool, str]]:
    fan_in, out = call.about["in_features"], call.out
    yield terms.linear(prod(out[:-1]), fan_in, out[-1]), True, ""


def _convolution(call: Call) -> Iterator[tuple[Term, bool, str]]:
    given, out, kernel = call.args[0], call.out, call.about["params"]["weight"][2:]
    channels = given[1] // call.about["groups"]
    term = terms.convolution(out[0], tuple(out[2:]), tuple(kernel), channels, out[1])
    yield term, True, "output elements times input channels, transposed or not"


def _norm(call: Call) -> Iterator[tuple[Term, bool, str]]:
    factor = 4 if call.about.get("affine") or call.about.get("elementwise_affine") else 2
    yield factor * terms.grid(call.args[0]), False, f"a norm, {factor} an element"


def _prelu(call: Call) -> Iterator[tuple[Term, bool, str]]:
    yield terms.elements(call.args[0]), False, "an activation, 1 an element"


def _softmax(call: Call) -> Iterator[tuple[Term, bool, str]]:
    width = call.args[0][call.about["dim"]]
    rows = prod(call.args[0]) // width
    yield terms.number(rows * (3 * width - 1)), False, "softmax, 3 an element less 1 a row"


def _pool(call: Call) -> Iterator[tuple[Term, bool, str]]:
    yield terms.grid(call.out), False, "pooling, 1 an output element"


def _adaptive_pool(call: Call) -> Iterator[tuple[Term, bool, str]]:
    cells = 1.0
    for side, out in zip(call.args[0][2:], call.out[2:], strict=True):
        cells *= side / out
    yield terms.number(int((cells + 1) * prod(call.out))), False, "pooling, 1 an input and 1 an output element"


_RESIZED = {"linear": 5, "bilinear": 11, "bicubic": 224 + 35, "nearest": 1}


def _upsample(call: Call) -> Iterator[tuple[Term, bool, str]]:
    factor = _RESIZED.get(str(call.about.get("mode")), 0)
    if factor:
        yield factor * terms.grid(call.out), False, f"resizing, {factor} an output element"


def _recurrent(gates: int, more: int, cell: bool) -> Rule:
    """Weights once a step; biases twice and a sum once a gate, and ``more`` elementwise steps a cell."""

    def form(call: Call) -> Iterator[tuple[Term, bool, str]]:
        about, given = call.about, call.args[0]
        hidden, steps = about["hidden_size"], given[0] if cell else given[0] * given[1]
        ways = 2 if about.get("bidirectional") else 1
        sizes = [about["input_size"]] + [hidden * ways] * (about.get("num_layers", 1) - 1)
        weights = ways * sum(gates * hidden * (size + hidden) for size in sizes)
        yield terms.sides(T=steps, p=weights), True, ""
        extra = ways * len(sizes) * hidden * (gates * (3 if about["bias"] else 1) + more)
        yield terms.sides(T=steps, x=extra), False, "biases, sums and gates"

    return form


def _nothing(call: Call) -> Iterator[tuple[Term, bool, str]]:
    return iter(())


_N = "torch.nn.modules."
_AXES = (1, 2, 3)
_RULES: dict[str, Rule] = {
    f"{_N}linear.Linear": _linear,
    **{f"{_N}conv.Conv{kind}{n}d": _convolution for kind in ("", "Transpose") for n in _AXES},
    **{f"{_N}batchnorm.BatchNorm{n}d": _norm for n in _AXES},
    f"{_N}batchnorm.SyncBatchNorm": _norm,
    f"{_N}normalization.LayerNorm": _norm,
    **{f"{_N}instancenorm.InstanceNorm{n}d": _norm for n in _AXES},
    f"{_N}activation.PReLU": _prelu,
    f"{_N}activation.Softmax": _softmax,
    **{f"{_N}pooling.AvgPool{n}d": _pool for n in _AXES},
    **{f"{_N}pooling.AdaptiveAvgPool{n}d": _adaptive_pool for n in _AXES},
    f"{_N}upsampling.Upsample": _upsample,
    f"{_N}upsampling.UpsamplingBilinear2d": _upsample,
    f"{_N}upsampling.UpsamplingNearest2d": _upsample,
    f"{_N}rnn.RNNCell": _recurrent(1, 0, True),
    f"{_N}rnn.GRUCell": _recurrent(3, 4, True),
    f"{_N}rnn.LSTMCell": _recurrent(4, 4, True),
    f"{_N}rnn.RNN": _recurrent(1, 0, False),
    f"{_N}rnn.GRU": _recurrent(3, 4, False),
    f"{_N}rnn.LSTM": _recurrent(4, 4, False),
    **{f"{_N}activation.{name}": _nothing for name in ("ReLU", "ReLU6", "LeakyReLU")},
    **{f"{_N}pooling.{kind}MaxPool{n}d": _nothing for kind in ("", "Adaptive") for n in _AXES},
    f"{_N}padding.ZeroPad2d": _nothing,
    f"{_N}dropout.Dropout": _nothing,
    f"{_N}container.Sequential": _nothing,
    f"{_N}pixelshuffle.PixelShuffle": _nothing,
}


def measure(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int | float:
    """As its documentation calls it."""
    import torch
    from thop import profile

    with torch.device("cpu"):  # where its own counters live, on whatever device the module is
        macs, _ = profile(module, inputs=args, verbose=False)
    return macs


PEER = Peer(
    "thop",
    ("thop", "ultralytics-thop"),
    "0.1.1.post2209072238",
    "1 a multiply-accumulate",
    price,
    measure,
    hooks=Hooks.ALL,
    grad=False,
    positional=True,
)
