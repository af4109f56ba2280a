"""Scaled dot-product and multi-head attention."""

from __future__ import annotations

from typing import Any

from ..abstract.functions import matmul, scaled_dot_product_attention, softmax
from ..abstract.modules import layer_norm, linear, module, parameter, titled
from ..abstract.recompute import checkpoint
from ..abstract.tape import Tape
from ..abstract.tensor import Tensor, given
from ..dims import Dim, exact_div
from .feedforward import feed_forward
from .registry import layer


def head_width(C: Dim, heads: Dim) -> Dim:
    """Channels of one head."""
    return exact_div(C, heads, "heads", "C")


def split_heads(x: Tensor, heads: Dim) -> Tensor:
    """(batch, n, C) to (batch, heads, n, C / heads)."""
    batch, n, width = x.shape
    return x.reshape(batch, n, heads, head_width(width, heads)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(batch, heads, n, d) to (batch, n, heads * d)."""
    batch, heads, n, d = x.shape
    return x.transpose(1, 2).reshape(batch, n, heads * d)


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    bias: Tensor | None = None,
    scaled: bool = True,
    temperature: Tensor | None = None,
) -> Tensor:
    """softmax(QKᵀ/√d_k)V in every head (Vaswani et al. 2017, eq. 1), in the way that the run asks for.

    A ``temperature`` is what scores are multiplied by; a fused kernel takes queries that are.
    """
    if q.tape.attention == "fused":
        return scaled_dot_product_attention(q if temperature is None else q * temperature, k, v, bias)
    if q.tape.recompute == "attention":
        return checkpoint(_attend, q, k, v, bias, scaled, temperature)
    return _attend(q, k, v, bias, scaled, temperature)


def _attend(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scaled: bool, temperature: Tensor | None
) -> Tensor:
    scores = matmul(q * 1.0 if scaled else q, k.transpose(-2, -1), "QKᵀ", attention=True)
    if temperature is not None:
        scores = scores * temperature
    if bias is not None:
        scores = scores + bias
    return matmul(softmax(scores), v, "AV")


@module
@titled("msa")
def self_attention(x: Tensor, heads: Dim) -> Tensor:
    """(batch, n, C) to the same; projections with bias."""
    return mix_heads(x, heads)


def mix_heads(x: Tensor, heads: Dim, bias: Tensor | None = None) -> Tensor:
    """Queries, keys and values of every head in one projection, attention, and the projection of its result."""
    C = x.shape[-1]
    q, k, v = (split_heads(part, heads) for part in linear("qkv", x, 3 * C).chunk(3, dim=-1))
    return linear("proj", merge_heads(attend(q, k, v, bias)), C)


@module
@titled("map")
def attention_pooling(x: Tensor, heads: Dim, hidden: Dim) -> Tensor:
    """(batch, n, C) to (batch, C): one learned query attends to all tokens, and a feed-forward is added.

    Multihead attention pooling (MAP) of Zhai et al. 2022 (Scaling Vision Transformers), arXiv 2106.04560.
    """
    batch, _, C = x.shape
    probe = parameter(x.tape, 1, 1, C, label="query").expand(batch, -1, -1)
    q = split_heads(linear("q", probe, C), heads)
    k, v = (split_heads(part, heads) for part in linear("kv", x, 2 * C).chunk(2, dim=-1))
    pooled = linear("proj", merge_heads(attend(q, k, v)), C)
    return (pooled + feed_forward("ffn", layer_norm("norm", pooled), hidden))[:, 0]


@layer("msa", "MSA", "Liu et al. 2021 (Swin), eq. 1; Vaswani et al. 2017, §3.2")
def _msa(tape: Tape, h: Dim, w: Dim, C: Dim, heads: Dim, *, batch: Dim = 1) -> Any:
    """Multi-head self-attention over all tokens of a grid.

    Args:
        h, w: the token grid; a sequence of N tokens is a grid of 1 x N.
        C: channels of a token.
        heads: attention heads; divides C.
        batch: images or sequences.
    """
    return self_attention("", given(tape, batch, h * w, C), heads)


@module
@titled("axial")
def axial_attention(x: Tensor, heads: Dim) -> Tensor:
    """(batch, h, w, C) to the same: every row attends within itself, then every column."""
    batch, h, w, C = x.shape
    x = self_attention("rows", x.reshape(batch * h, w, C), heads).reshape(batch, h, w, C)
    x = x.transpose(1, 2).reshape(batch * w, h, C)
    return self_attention("columns", x, heads).reshape(batch, w, h, C).transpose(1, 2)


@layer("axial", "Axial", "Ho et al. 2019, arXiv 1912.12180, §3; Wang et al. 2020 (Axial-DeepLab), §3.2")
def _axial(tape: Tape, h: Dim, w: Dim, C: Dim, heads: Dim, *, batch: Dim = 1) -> Any:
    """Multi-head self-attention along the rows of a grid, and then along its columns.

    One attention for each axis, with its own projections; the papers' residuals, masks and positions are left out.
    """
    return axial_attention("", given(tape, batch, h, w, C), heads)
