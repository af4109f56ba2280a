"""The exact price of a recorded call as a closed form.

Operators of a run come with an exact price from :mod:`vpcalc.counters.formulas`; here is its form, which is used
only where it has that very value. Nodes of a traced graph have no other price than the one here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from . import terms
from .calls import Call, Height
from .terms import Term

Operands = Mapping[str, Any]


def exact(call: Call) -> Term:
    """The exact price of an operator or a node that has one."""
    if call.height is Height.NODE:
        return node(call) or terms.number(call.macs)
    form = OPERATORS.get(call.name)
    try:
        term = None if form is None else form(call.kwargs, call.out)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        term = None  # an overload with other arguments
    return term if term is not None and term.macs == call.macs else terms.number(call.macs)


# -- operators by the names of their schema's arguments ---------------------------------------------------


def _product(first: str, second: str) -> Callable[[Operands, Any], Term]:
    def form(x: Operands, out: Any) -> Term:
        left, right = x[first], x[second]
        if len(left) == 3:
            return terms.batched(left[0], left[1], left[2], right[2])
        return terms.linear(left[0], left[1], right[1])

    return form


def _linear(x: Operands, out: Any) -> Term:
    given = next(iter(x.values()))
    return terms.linear(prod(given[:-1]), given[-1], out[-1])


def _convolution(x: Operands, out: Any) -> Term:
    return conv(x["input"], x["weight"], out, bool(x.get("transposed", False)))


def _convolution_backward(x: Operands, out: Any) -> Term:
    forward = conv(x["input"], x["weight"], x["grad_output"], bool(x["transposed"]))
    return forward * (int(x["output_mask"][0]) + int(x["output_mask"][1]))


def _attention(scores: int, mixes: int) -> Callable[[Operands, Any], Term]:
    def form(x: Operands, out: Any) -> Term:
        return sdpa(x["query"], x["key"], x["value"], scores, mixes)

    return form


def _multi_head(x: Operands, out: Any) -> Term:
    return multi_head(x["query"], x["key"], x["value"])


def _encoder_layer(x: Operands, out: Any) -> Term:
    weights = [x[name] for name in ("qkv_weight", "proj_weight", "ffn_weight_1", "ffn_weight_2")]
    return encoder_layer(x["src"], weights)


def _recurrent(x: Operands, out: Any) -> Term:
    return terms.sides(T=prod(x["input"][:-1]), p=prod(x["weight0"]) + prod(x["weight1"]))


OPERATORS: dict[str, Callable[[Operands, Any], Term]] = {
    "aten::mm": _product("self", "mat2"),
    "aten::bmm": _product("self", "mat2"),
    "aten::addmm": _product("mat1", "mat2"),
    "aten::baddbmm": _product("batch1", "batch2"),
    "aten::linear": _linear,
    "aten::mkldnn_linear": _linear,
    "aten::convolution": _convolution,
    "aten::_convolution": _convolution,
    "aten::mkldnn_convolution": _convolution,
    "aten::convolution_backward": _convolution_backward,
    "aten::scaled_dot_product_attention": _attention(1, 1),
    "aten::_scaled_dot_product_flash_attention": _attention(1, 1),
    "aten::_scaled_dot_product_flash_attention_for_cpu": _attention(1, 1),
    "aten::_scaled_dot_product_efficient_attention": _attention(1, 1),
    "aten::_scaled_dot_product_cudnn_attention": _attention(1, 1),
    "aten::_scaled_dot_product_fused_attention_overrideable": _attention(1, 1),
    "aten::_scaled_dot_product_flash_attention_backward": _attention(3, 2),
    "aten::_scaled_dot_product_flash_attention_for_cpu_backward": _attention(3, 2),
    "aten::_scaled_dot_product_efficient_attention_backward": _attention(3, 2),
    "aten::_native_multi_head_attention": _multi_head,
    "aten::_transformer_encoder_layer_fwd": _encoder_layer,
    "aten::mkldnn_rnn_layer": _recurrent,
    "aten::_grouped_mm": lambda x, out: grouped(x["self"], x["mat2"]),
}


# -- nodes of a traced graph, by position ------------------------------------------------------------------


def node(call: Call) -> Term | None:
    """The exact price of a node; None for kinds that multiply no matrices."""
    form = NODES.get(call.name)
    try:
        return None if form is None else form(call)
    except (IndexError, TypeError, ValueError):
        return None  # sides that the trace does not know


def _matmul(call: Call) -> Term:
    left, right, out = call.args[0], call.args[1], call.out
    if len(right) == 1:
        return terms.linear(prod(left[:-1]), left[-1], 1)
    if len(left) == 1:
        return terms.linear(prod(right[:-2]), right[-2], right[-1])
    if len(right) == 2:
        return terms.linear(prod(left[:-1]), left[-1], right[-1])
    return terms.batched(prod(out[:-2]), out[-2], left[-1], out[-1])


def _einsum(call: Call) -> Term | None:
    """Two operands: every index of the equation once."""
    equation, operands = call.args[0], call.args[1]
    if not isinstance(equation, str) or len(operands) > 2 or "." in equation:
        return None
    inputs = equation.replace(" ", "").partition("->")[0].split(",")
    if len(inputs) < 2:
        return terms.number(0)
    size = {
        letter: side
        for letters, shape in zip(inputs, operands, strict=True)
        for letter, side in zip(letters, shape, strict=True)
    }
    return terms.number(prod(size.values()))


def _stack(call: Call) -> Term:
    """Recurrent layers: every weight matrix once for every step and sequence."""
    given, weights = call.args[0], next(a for a in call.args[2:] if isinstance(a, list))
    return terms.sides(T=prod(given[:-1]), p=sum(prod(w) for w in weights if w is not None and len(w) == 2))


NODES: dict[str, Callable[[Call], Term | None]] = {
    "aten::linear": lambda c: terms.linear(prod(c.args[0][:-1]), c.args[0][-1], c.args[1][0]),
    "aten::addmm": lambda c: terms.linear(*c.args[1], c.args[2][1]),
    "aten::mm": _matmul,
    "aten::bmm": _matmul,
    "aten::matmul": _matmul,
    "aten::baddbmm": lambda c: terms.batched(*c.args[1], c.args[2][2]),
    "aten::mv": _matmul,
    "aten::dot": lambda c: terms.sides(N=c.args[0][0]),
    "aten::einsum": _einsum,
    "aten::addmv": lambda c: terms.linear(1, c.args[1][1], c.args[1][0]),
    "aten::addbmm": lambda c: terms.batched(*c.args[1], c.args[2][2]),
    "aten::inner": lambda c: terms.linear(prod(c.out), c.args[0][-1], 1),
    "aten::tensordot": lambda c: terms.linear(prod(c.out), prod(c.args[0][axis] for axis in c.args[2]), 1),
    "aten::bilinear": lambda c: terms.sides(N=prod(c.args[0][:-1]), p=prod(c.args[2])),
    "aten::_convolution": lambda c: conv(c.args[0], c.args[1], c.out, bool(c.args[6])),
    "aten::_convolution_mode": lambda c: conv(c.args[0], c.args[1], c.out, False),
    "aten::scaled_dot_product_attention": lambda c: sdpa(*c.args[:3]),
    "aten::_native_multi_head_attention": lambda c: multi_head(*c.args[:3]),
    "aten::_grouped_mm": lambda c: grouped(c.args[0], c.args[1]),
    "transformers::grouped_mm_fallback": lambda c: grouped(c.args[0], c.args[1]),
    "aten::_transformer_encoder_layer_fwd": lambda c: encoder_layer(
        c.args[0], [c.args[i] for i in (3, 5, 14, 16)]
    ),
    "aten::lstm": _stack,
    "aten::gru": _stack,
    "aten::rnn_tanh": _stack,
    "aten::rnn_relu": _stack,
}


# -- shared --------------------------------------------------------------------------------------------------


def conv(given: Any, weight: Any, out: Any, transposed: bool) -> Term:
    """A weight is (c_out, c_in/groups, *kernel), transposed (c_in, c_out/groups, *kernel)."""
    if transposed:
        return terms.convolution(given[0], tuple(given[2:]), tuple(weight[2:]), weight[1], weight[0])
    return terms.convolution(out[0], tuple(out[2:]), tuple(weight[2:]), weight[1], weight[0])


def sdpa(query: Any, key: Any, value: Any, scores: int = 1, mixes: int = 1) -> Term:
    """(..., heads, n, d): the heads of the queries count; keys and values may share theirs."""
    batch, heads = prod(query[:-3]), query[-3] if len(query) > 2 else 1
    return terms.attention(batch, heads, query[-2], key[-2], query[-1], value[-1], scores, mixes)


def grouped(left: Any, right: Any) -> Term:
    """Products of a mixture of experts: each row or column of a flat operand belongs to one group."""
    if len(left) == 3 and len(right) == 2:
        return terms.linear(left[1], right[0], right[1])
    return terms.linear(prod(left[:-1]), left[-1], right[-1])


def multi_head(query: Any, key: Any, value: Any) -> Term:
    """Projections of queries, keys, values and the mix, and attention: ``4NC² + 2N²C``."""
    batch, n, width = query
    m = key[1]
    if m == value[1] == n:
        return _layer(batch, n, width, {(("N", 1), ("C", 2)): 4, (("N", 2), ("C", 1)): 2})
    parts = [terms.linear(batch * rows, width, width) for rows in (n, n, m, value[1])]
    return terms.added(*parts, terms.attention(batch, 1, n, m, width, width))


def encoder_layer(given: Any, weights: Any) -> Term:
    """The same and a feed-forward layer: ``4NC² + 2N²C + 2NC·d_ff``."""
    batch, n, width = given
    hidden = weights[2][0]
    powers = {(("N", 1), ("C", 2)): 4, (("N", 2), ("C", 1)): 2, (("N", 1), ("C", 1), ("d_ff", 1)): 2}
    return _layer(batch, n, width, powers, d_ff=hidden)


def _layer(batch: int, n: int, width: int, powers: Mapping[Any, int], **more: int) -> Term:
    """A sum of monomials for each of the batch."""
    values = {"N": n, "C": width, **more}
    each = {"B": 1} if batch != 1 else {}
    values |= {"B": batch} if batch != 1 else {}
    return terms.added(*(terms.monomial(times, each | dict(found), values) for found, times in powers.items()))
