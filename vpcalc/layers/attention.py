"""Scaled dot-product and multi-head attention."""

from __future__ import annotations

from ..cost import Cost, Op
from ..dims import Dim, exact_div
from ..ops import linear, matmul
from .registry import layer


def scaled_dot_product(batch: Dim, heads: Dim, queries: Dim, keys: Dim, d_k: Dim, d_v: Dim) -> tuple[Op, Op]:
    """softmax(QKᵀ/√d_k)V in every head (Vaswani et al. 2017, eq. 1). Softmax is not a product."""
    return (
        matmul("QKᵀ", batch * heads, queries, d_k, keys, attention=True),  # (n x d_k)(d_k x m)
        matmul("AV", batch * heads, queries, keys, d_v),  # (n x m)(m x d_v)
    )


def head_width(C: Dim, heads: Dim) -> Dim:
    """Channels of one head."""
    return exact_div(C, heads, "heads", "C")


@layer("msa", "MSA", "Liu et al. 2021 (Swin), eq. 1; Vaswani et al. 2017, §3.2")
def self_attention(h: Dim, w: Dim, C: Dim, heads: Dim, *, batch: Dim = 1) -> Cost:
    """Multi-head self-attention over all tokens of a grid.

    Args:
        h, w: the token grid; a sequence of N tokens is a grid of 1 x N.
        C: channels of a token.
        heads: attention heads; divides C.
        batch: images or sequences.
    """
    return token_attention(h * w, C, heads, batch=batch)


def token_attention(N: Dim, C: Dim, heads: Dim, *, batch: Dim = 1, name: str = "msa") -> Cost:
    """Multi-head self-attention over N tokens, projections with bias."""
    d = head_width(C, heads)
    return Cost(
        name,
        (
            linear("qkv", batch * N, C, 3 * C),
            *scaled_dot_product(batch, heads, N, N, d, d),
            linear("proj", batch * N, C, C),
        ),
    )
