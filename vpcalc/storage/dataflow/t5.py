"""T5; see :mod:`vpcalc.reference.t5`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ..functions import chosen, constant, converted, mean, pointwise, sqrt, square
from ..modules import embedding, linear, module, parameter
from ..tensor import INT64, Tensor
from .attention import attend, merge_heads, split_heads
from .recompute import recomputable
from .registry import model, pair
from .transformer import Part, causal_mask, position_wise_feed_forward, run_parts, vocabulary


@module
def scale_norm(x: Tensor) -> Tensor:
    """Each row over its root mean square, times a learned scale."""
    scale = parameter(x.tape, x.shape[-1])
    return x / sqrt(mean(square(x), (-1,), keepdim=True) + 1.0) * scale


def bucket(offset: Tensor) -> Tensor:
    """The range in which a distance falls."""
    octaves = pointwise("log", pointwise("clamp", offset) / 1) / 1
    wide = converted(octaves * 1, INT64) + 1
    return chosen(offset < 1, offset, pointwise("clamp", wide))


@module
def relative_bias(x: Tensor, heads: Any, causal: bool, buckets: Any = 32) -> Tensor:
    """(1, heads, n, n) to add to the scores."""
    tape = x.tape
    table = parameter(tape, buckets, heads)
    position = constant(tape, x.shape[1])
    ahead = position[None, :] - position[:, None]
    rows = _rows(ahead, causal)
    return embedding("table", rows, table).permute(2, 0, 1)[None]


def _rows(ahead: Tensor, causal: bool) -> Tensor:
    """The row of the table for each distance."""
    if causal:
        return bucket(pointwise("clamp", -ahead))
    return bucket(pointwise("abs", ahead)) + (ahead > 0) * 1


@module
def attention(
    targets: Tensor, sources: Tensor, heads: Any, d_kv: Any, bias: Tensor | None = None, cached: bool = False
) -> Tensor:
    """Targets attend to sources; scores are not scaled. ``cached``: a decoder's."""
    width = heads * d_kv
    q = split_heads(linear("q", targets, width, bias=False), heads)
    k = split_heads(linear("k", sources, width, bias=False), heads)
    v = split_heads(linear("v", sources, width, bias=False), heads)
    if cached:
        k.cached()
        v.cached()
    return linear("out", merge_heads(attend(q, k, v, bias, scaled=False)), targets.shape[-1], bias=False)


@module
@recomputable
def layer(x: Tensor, bias: Tensor, memory: Tensor | None, widths: tuple[Any, ...], causal: bool) -> Tensor:
    """Self-attention, attention to the encoder's output if there is one, feed-forward; norms come first."""
    d_ff, heads, d_kv = widths
    normed = scale_norm("norm1", x)
    x = x + attention("attention", normed, normed, heads, d_kv, bias, cached=causal)
    if memory is not None:
        x = x + attention("cross", scale_norm("norm2", x), memory, heads, d_kv, cached=True)
    return x + position_wise_feed_forward("ffn", scale_norm("norm3", x), d_ff, bias=False)


@module
def stack(
    ids: Tensor, memory: Tensor | None = None, *, table: Tensor, layers: Sequence[Part], heads: Any, causal: bool
) -> Tensor:
    """Token ids to vectors; one table of relative biases for all layers."""
    x = embedding("tokens", ids, table)
    bias = relative_bias("bias", x, heads, causal)
    if causal:
        bias = bias + causal_mask(x.tape, x.shape[1])
    for number, step in enumerate(layers):
        x = step(f"layers.{number}", x, bias, memory, causal=causal)
    return scale_norm("norm", x)


@model("t5", pair)
def t5(
    *ids: Tensor,
    d_model: Any,
    d_ff: Any,
    layers: int,
    heads: Any,
    d_kv: Any,
    vocab: Any,
    part: str,
    head: bool,
) -> Tensor:
    """Ids of source and target to scores, or to vectors without a head."""
    table = parameter(ids[0].tape, vocab, d_model)
    blocks = [partial(layer, widths=(d_ff, heads, d_kv))] * layers
    stacked = partial(stack, table=table, layers=blocks, heads=heads)
    encode = None if part == "decoder" else partial(stacked, causal=False)
    decode = None if part == "encoder" else partial(stacked, causal=True)
    x = run_parts(encode, decode, ids)
    return vocabulary("head", x * 1.0, table) if head and part != "encoder" else x
