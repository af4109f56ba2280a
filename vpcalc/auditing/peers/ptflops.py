"""ptflops with its first backend: hooks on modules of torch.nn's own classes, and functions replaced by name.

``@``, ``F.linear`` and fused attention are seen by neither. Biases, norms, activations, softmax and pooling count;
what torch.nn implements by calling one of the replaced functions counts in the hook and in the function. The hooks
of modules below an attention module are not added up. Modules are divided by the batch, functions are not.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from math import prod
from typing import Any

from .. import terms
from ..calls import Call, Height, Recording
from ..terms import Term
from . import names
from .deepspeed import added as added_product
from .deepspeed import product as plain_product
from .deepspeed import spread
from .peer import Charge, Hooks, Peer, size, visits

Priced = tuple[Term, bool, str]
Rule = Callable[[Call], "Iterator[Priced]"]


def price(recording: Recording) -> Iterator[Charge]:
    """What its hooks and its functions add for each call."""
    times = visits(recording, frozenset(_MODULES))
    for place, call in enumerate(recording.calls):
        if call.height is Height.FUNCTION and call.name in _FUNCTIONS:
            for term, product, why in _FUNCTIONS[call.name](call):
                yield Charge(place, term, product, why)
        elif call.height is Height.MODULE and call.name in _MODULES and times[call.path]:
            for term, product, why in _MODULES[call.name](call):
                yield Charge(place, term.over(recording.batch), product, why)
                if times[call.path] > 1:
                    again = term.over(recording.batch) * (times[call.path] - 1)
                    yield Charge(place, again, product, "its module is added up once a place", True)


# -- hooks on modules -----------------------------------------------------------------------------------


def _linear(call: Call) -> Iterator[Priced]:
    given, fan_out = call.args[0], call.out[-1]
    yield terms.linear(prod(given[:-1]), given[-1], fan_out), True, ""
    if call.about["bias"]:
        yield terms.elements(call.out), False, "a bias, 1 an output element"


def _convolution(transposed: bool) -> Rule:
    def form(call: Call) -> Iterator[Priced]:
        given, out, about = call.args[0], call.out, call.about
        grid = tuple(given[2:]) if transposed else tuple(out[2:])
        group = about["in_channels"] // about["groups"]
        kernel = tuple(about["kernel_size"])
        yield terms.convolution(given[0], grid, kernel, group, about["out_channels"]), True, ""
        if about["bias"]:
            yield terms.grid(out), False, "a bias, 1 an output element"

    return form


def _norm(call: Call) -> Iterator[Priced]:
    factor = 2 if call.about.get("affine") else 1
    yield factor * terms.grid(call.args[0]), False, f"a norm, {factor} an element"


def _activation(call: Call) -> Iterator[Priced]:
    yield terms.elements(call.out), False, "an activation, 1 an element, by its hook"


def _pool(call: Call) -> Iterator[Priced]:
    yield terms.grid(call.args[0]), False, "pooling, 1 an input element, by its hook"


def _upsample(call: Call) -> Iterator[Priced]:
    yield terms.number(prod(call.out[1:])), False, "resizing, 1 an output element of the first image"


_EXTRA = {"RNN": 1, "GRU": 7, "LSTM": 10}
"""Elementwise steps an element of the hidden state."""


def _recurrent(kind: str, cell: bool) -> Rule:
    def form(call: Call) -> Iterator[Priced]:
        weights = extra = 0
        for layer in range(call.about.get("num_layers", 1)):
            end = "" if cell else f"_l{layer}"
            shapes = call.about["params"]
            weights += prod(shapes[f"weight_ih{end}"]) + prod(shapes[f"weight_hh{end}"])
            extra += _EXTRA[kind] * call.about["hidden_size"]
            if call.about["bias"]:
                extra += shapes[f"bias_ih{end}"][0] + shapes[f"bias_hh{end}"][0]
        given = call.args[0]
        ways = 2 if call.about.get("bidirectional") else 1
        steps = (given[0] if cell else given[0] * given[1]) * ways
        yield terms.sides(T=steps, p=weights), True, "the first direction's weights, times the directions"
        yield terms.sides(T=steps, x=extra), False, "biases and gates"

    return form


def _multi_head(call: Call) -> Iterator[Priced]:
    about = call.about
    place = 1 if about.get("batch_first") else 0
    q, k, v = call.args[:3]
    batch, n, m, width = q[1 - place], q[place], k[place], q[2]
    heads = about["num_heads"]
    parts = [
        terms.linear(n, width, width),
        terms.linear(m, k[2], k[2]),
        terms.linear(v[place], v[2], v[2]),
        terms.linear(n, v[2], v[2]),
        terms.attention(1, heads, n, m, width // heads, v[2] // heads),
    ]
    yield terms.added(*parts) * batch, True, "nn.MultiheadAttention as a whole"
    yield terms.sides(N=n, C=width) * batch, False, "scaling of the queries"
    if about["in_proj_bias"]:
        yield terms.sides(N=n + m + v[place], C=width) * batch, False, "biases of queries, keys and values"
    yield terms.sides(N=n, C=v[2]) * batch, False, "a bias, 1 an output element"
    yield terms.sides(a=heads, N=n, S=m) * batch, False, "softmax, 1 an element"


def _timm_attention(call: Call) -> Iterator[Priced]:
    batch, n, _ = call.args[0]
    heads, width = call.about["num_heads"], call.about["head_dim"]
    yield (
        terms.attention(1, heads, n, n, width, width) * batch,
        True,
        "the attention alone: its projections are not added up",
    )
    yield terms.sides(N=n, C=heads * width) * batch, False, "scaling of the queries"
    yield terms.sides(a=heads, N=n, S=n) * batch, False, "softmax, 1 an element"


_N = "torch.nn.modules."
_AXES = (1, 2, 3)
_MODULES: dict[str, Rule] = {
    f"{_N}linear.Linear": _linear,
    **{f"{_N}conv.Conv{n}d": _convolution(False) for n in _AXES},
    **{f"{_N}conv.ConvTranspose{n}d": _convolution(True) for n in _AXES},
    **{f"{_N}activation.{name}": _activation for name in ("ReLU", "PReLU", "ELU", "LeakyReLU", "ReLU6", "GELU")},
    **{
        f"{_N}pooling.{adaptive}{kind}Pool{n}d": _pool
        for adaptive in ("", "Adaptive")
        for kind in ("Max", "Avg")
        for n in _AXES
    },
    **{f"{_N}batchnorm.BatchNorm{n}d": _norm for n in _AXES},
    **{f"{_N}instancenorm.InstanceNorm{n}d": _norm for n in _AXES},
    f"{_N}normalization.GroupNorm": _norm,
    f"{_N}normalization.LayerNorm": _norm,
    f"{_N}upsampling.Upsample": _upsample,
    f"{_N}activation.MultiheadAttention": _multi_head,
    "timm.models.vision_transformer.Attention": _timm_attention,
    "timm.layers.attention.Attention": _timm_attention,
    **{f"{_N}rnn.{kind}": _recurrent(kind, False) for kind in _EXTRA},
    **{f"{_N}rnn.{kind}Cell": _recurrent(kind, True) for kind in _EXTRA},
}


# -- functions replaced by name ---------------------------------------------------------------------------


def _elements(what: str) -> Rule:
    def form(call: Call) -> Iterator[Priced]:
        yield terms.elements(call.arg(0, "input")), False, f"{what}, 1 an input element, by its function"

    return form


def _interpolate(call: Call) -> Iterator[Priced]:
    given, to = call.arg(0, "input"), call.arg(1, "size")
    axes = len(given) - 2
    if to is not None:
        count = prod(given[:2]) * prod(spread(to, axes))
    else:
        factor = call.arg(2, "scale_factor")
        scale = prod(factor) if isinstance(factor, list) and len(factor) == axes else factor**axes
        count = int(prod(given) * scale)
    yield terms.number(count), False, "resizing, 1 an output element, by its function"


def _product(call: Call) -> Iterator[Priced]:
    yield plain_product(call), True, "broadcasting forgotten" if "matmul" in call.name else ""


def _added(call: Call) -> Iterator[Priced]:
    yield added_product(call), True, ""
    if call.kwargs.get("beta", 1) != 0:
        yield terms.elements(call.arg(0, "input")), False, "the addend, 1 an element"


def _elementwise(call: Call) -> Iterator[Priced]:
    """Sides are paired from the front, whatever broadcasting does."""
    left, right = call.arg(0, "input"), call.arg(1, "other")
    if isinstance(left, tuple) and isinstance(right, tuple):
        longest = max(len(left), len(right))
        pairs = zip(_padded(left, longest), _padded(right, longest), strict=True)
        count = prod(max(pair) for pair in pairs)
    else:
        count = size(left) if isinstance(left, tuple) else size(right)
    yield terms.number(count), False, "an elementwise function, 1 an element"


def _padded(shape: tuple[int, ...], length: int) -> tuple[int, ...]:
    return shape + (1,) * (length - len(shape))


_FUNCTIONS: dict[str, Rule] = {
    **dict.fromkeys(names.ACTIVATIONS, _elements("an activation")),
    **dict.fromkeys(names.POOLING, _elements("pooling")),
    names.SOFTMAX: _elements("softmax"),
    **dict.fromkeys(names.RESIZING, _interpolate),
    **dict.fromkeys((*names.MATMULS, *names.PRODUCTS), _product),
    **dict.fromkeys(names.ADDED, _added),
    **dict.fromkeys(names.ELEMENTWISE, _elementwise),
}


# -- the counter itself --------------------------------------------------------------------------------------


def run(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], backend: str) -> int | float:
    """As its documentation calls it: the inputs come from a function, as one tensor or by name."""
    from ptflops import get_model_complexity_info

    if any(parameter.is_meta for parameter in module.parameters()):
        import_module("torch._dynamo")  # else torch does so in the midst of it, and trips over replaced functions
    given: Any
    if len(args) == 1 and not kwargs:
        (given,) = args
    else:
        module, given = _by_name(module, args, kwargs)
    macs, _ = get_model_complexity_info(
        module,
        (1,),
        input_constructor=lambda _: given,
        as_strings=False,
        print_per_layer_stat=False,
        verbose=False,
        backend=backend,
    )
    if macs is None:
        raise RuntimeError("returned no figure; what it printed says why")
    return int(macs)


def _by_name(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The module with all its inputs by name, in a wrapper where its parameters have none."""
    parameters = inspect.signature(module.forward).parameters.values()
    words = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name not in kwargs]
    if len(words) >= len(args):
        return module, {**dict(zip(words, args, strict=False)), **kwargs}
    from ..build import Named

    return Named(module, len(args)), {**{f"input{n}": value for n, value in enumerate(args)}, **kwargs}


def measure(module: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int | float:
    """As its documentation calls it."""
    return run(module, args, kwargs, "pytorch")


PEER = Peer("ptflops", ("ptflops",), "0.7.5", "1 a multiply-accumulate", price, measure, hooks=Hooks.ALL)
