"""Multi-scale retention (Sun et al. 2023, RetNet)."""

from __future__ import annotations

from ..cost import Cost
from ..dims import Dim
from ..ops import group_norm, linear
from .attention import head_width, scaled_dot_product
from .registry import layer


@layer("retention", "Retention", "Sun et al. 2023 (RetNet), eq. 5 and 8")
def retention(h: Dim, w: Dim, C: Dim, heads: Dim, *, batch: Dim = 1, name: str = "retention") -> Cost:
    """Gated multi-scale retention in its parallel form, (QKᵀ ⊙ D)V, over the tokens of a grid.

    Values and gate are twice as wide as queries and keys; no projection has a bias and the group norm
    has no parameters, so that the layer holds the paper's 8C². The causal product is computed in
    full and masked by the decay D, as the parallel form runs it.

    Args:
        h, w: the token grid; a sequence of N tokens is a grid of 1 x N.
        C: channels of a token.
        heads: retention heads, each with a decay of its own; divides C.
        batch: sequences.
    """
    N = h * w
    d = head_width(C, heads)
    return Cost(
        name,
        (
            linear("q", batch * N, C, C, bias=False),
            linear("k", batch * N, C, C, bias=False),
            linear("v", batch * N, C, 2 * C, bias=False),
            linear("gate", batch * N, C, 2 * C, bias=False),
            *scaled_dot_product(batch, heads, N, N, d, 2 * d),
            group_norm("norm", batch * N, 2 * C, affine=False),
            linear("out", batch * N, 2 * C, C, bias=False),
        ),
    )
