"""Multi-head self-attention and feed-forward; see :mod:`vpcalc.reference.attention`."""

from __future__ import annotations

from typing import Any

from ..functions import gelu, scaled_dot_product_attention, softmax
from ..modules import linear, module
from ..tape import Tape
from ..tensor import Tensor
from .recompute import checkpoint
from .registry import given, layer


def split_heads(x: Tensor, heads: Any) -> Tensor:
    """(batch, n, C) to (batch, heads, n, C / heads)."""
    batch, n, width = x.shape
    return x.reshape(batch, n, heads, width // heads).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(batch, heads, n, d) to (batch, n, heads * d)."""
    batch, heads, n, d = x.shape
    return x.transpose(1, 2).reshape(batch, n, heads * d)


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None, scaled: bool = True) -> Tensor:
    """Scores, softmax and weighted values, in the way that the run asks for."""
    if q.tape.attention == "fused":
        return scaled_dot_product_attention(q, k, v, bias)
    if q.tape.recompute == "attention":
        return checkpoint(_attend, q, k, v, bias, scaled)
    return _attend(q, k, v, bias, scaled)


def _attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scaled: bool) -> Tensor:
    scores = (q * 1.0 if scaled else q) @ k.transpose(-2, -1)
    if bias is not None:
        scores = scores + bias
    return softmax(scores) @ v


@module
def self_attention(x: Tensor, heads: Any, bias: Tensor | None = None) -> Tensor:
    """(batch, n, C) to the same."""
    C = x.shape[-1]
    q, k, v = (split_heads(part, heads) for part in linear("qkv", x, 3 * C).chunk(3, dim=-1))
    return linear("proj", merge_heads(attend(q, k, v, bias)), C)


@module
def feed_forward(x: Tensor, hidden: Any) -> Tensor:
    """(batch, n, C) to the same through ``hidden`` channels and GELU."""
    return linear("fc2", gelu(linear("fc1", x, hidden)), x.shape[-1])


@layer("msa")
def _msa(tape: Tape, h: Any, w: Any, C: Any, heads: Any, batch: Any) -> Tensor:
    return self_attention("", given(tape, batch, h * w, C), heads)


@layer("ffn")
def _ffn(tape: Tape, h: Any, w: Any, C: Any, r: Any, batch: Any) -> Tensor:
    return feed_forward("", given(tape, batch, h * w, C), r * C)
