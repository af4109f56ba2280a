"""Linear attention (Katharopoulos et al. 2020, Transformers are RNNs)."""

from __future__ import annotations

from typing import Any

from ..abstract.functions import elu, matmul, total
from ..abstract.modules import linear, module, titled
from ..abstract.tape import Tape
from ..abstract.tensor import Tensor, given
from ..dims import Dim
from .attention import merge_heads, split_heads
from .registry import layer


@module
@titled("linear_attention")
def linear_attention(x: Tensor, heads: Dim) -> Tensor:
    """(batch, n, C) to the same."""
    C = x.shape[-1]
    q, k, v = (split_heads(part, heads) for part in linear("qkv", x, 3 * C).chunk(3, dim=-1))
    q, k = elu(q) + 1, elu(k) + 1
    weights = total(q * total(k, -2, keepdim=True), -1, keepdim=True)
    return linear("proj", merge_heads(matmul(q, matmul(k.transpose(-2, -1), v, "KᵀV"), "Q(KᵀV)") / weights), C)


@layer("linear_attention", "Linear attention", "Katharopoulos et al. 2020, eq. 5 and 6")
def _linear_attention(tape: Tape, h: Dim, w: Dim, C: Dim, heads: Dim, *, batch: Dim = 1) -> Any:
    """φ(Q)(φ(K)ᵀV): the products are reordered, so that no map of N x N tokens is ever made.

    φ(x) = elu(x) + 1, and the normaliser φ(Q)·Σφ(K), are element by element and no products.

    Args:
        h, w: the token grid; a sequence of N tokens is a grid of 1 x N.
        C: channels of a token.
        heads: attention heads; divides C.
        batch: images or sequences.
    """
    return linear_attention("", given(tape, batch, h * w, C), heads)
