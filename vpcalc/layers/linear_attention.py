"""Linear attention (Katharopoulos et al. 2020, Transformers are RNNs)."""

from __future__ import annotations

from ..cost import Cost
from ..dims import Dim
from ..ops import linear, matmul
from .attention import head_width
from .registry import layer


@layer("linear_attention", "Linear attention", "Katharopoulos et al. 2020, eq. 5 and 6")
def linear_attention(h: Dim, w: Dim, C: Dim, heads: Dim, *, batch: Dim = 1) -> Cost:
    """φ(Q)(φ(K)ᵀV): the products are reordered, so that no map of N x N tokens is ever made.

    φ(x) = elu(x) + 1, and the normaliser φ(Q)·Σφ(K), are element by element and no products.

    Args:
        h, w: the token grid; a sequence of N tokens is a grid of 1 x N.
        C: channels of a token.
        heads: attention heads; divides C.
        batch: images or sequences.
    """
    N = h * w
    d = head_width(C, heads)
    return Cost(
        "linear_attention",
        (
            linear("qkv", batch * N, C, 3 * C),
            matmul("KᵀV", batch * heads, d, N, d),  # (d x N)(N x d)
            matmul("Q(KᵀV)", batch * heads, N, d, d),  # (N x d)(d x d)
            linear("proj", batch * N, C, C),
        ),
    )
