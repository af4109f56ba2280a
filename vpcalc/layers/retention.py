"""Multi-scale retention (Sun et al. 2023, RetNet) in its three forms.

The forms compute the same outputs from the same weights. They share the projections, the group norm and the
gate, and differ in how tokens meet: all at once, token by token through a state, or chunk by chunk.
"""

from __future__ import annotations

from ..cost import Cost, Op, Tiling
from ..dims import Dim, ceil_div
from ..ops import group_norm, linear, matmul
from .attention import head_width, scaled_dot_product
from .registry import layer

FORMS = ("parallel", "recurrent", "chunkwise")


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
    return token_retention(h * w, C, heads, batch=batch, name=name)


@layer("retention_recurrent", "Recurrent retention", "Sun et al. 2023 (RetNet), eq. 6 and 8")
def retention_recurrent(
    h: Dim, w: Dim, C: Dim, heads: Dim, *, batch: Dim = 1, name: str = "retention_recurrent"
) -> Cost:
    """The same in its recurrent form, S_n = γS_{n-1} + K_nᵀV_n and then Q_n S_n, token by token.

    The state of a head is d x 2d. Its update K_nᵀV_n is a matrix product of inner dimension 1.

    Args:
        h, w: the token grid; a sequence of N tokens is a grid of 1 x N.
        C: channels of a token.
        heads: retention heads; divides C.
        batch: sequences.
    """
    return token_retention(h * w, C, heads, form="recurrent", batch=batch, name=name)


@layer("retention_chunkwise", "Chunkwise retention", "Sun et al. 2023 (RetNet), eq. 7 and 8")
def retention_chunkwise(
    h: Dim, w: Dim, C: Dim, heads: Dim, chunk: Dim, *, batch: Dim = 1, name: str = "retention_chunkwise"
) -> Cost:
    """The same in its chunkwise form: parallel within a chunk, recurrent from chunk to chunk.

    A sequence that the chunk does not divide is padded at its end, and the padding is computed and counted,
    projections included: the authors' code pads before its first layer. Every chunk reads and updates
    the state, the first (whose state is zero) and the last (whose state nobody reads) too.

    Args:
        h, w: the token grid; a sequence of N tokens is a grid of 1 x N.
        C: channels of a token.
        heads: retention heads; divides C.
        chunk: tokens of a chunk (512 in the paper).
        batch: sequences.
    """
    return token_retention(h * w, C, heads, form="chunkwise", chunk=chunk, batch=batch, name=name)


def token_retention(
    N: Dim,
    C: Dim,
    heads: Dim,
    *,
    form: str = "parallel",
    chunk: Dim = 512,
    batch: Dim = 1,
    name: str = "retention",
) -> Cost:
    """Retention over N tokens in one of the :data:`FORMS`; ``chunk`` matters to the chunkwise form alone."""
    d = head_width(C, heads)
    tilings: tuple[Tiling, ...] = ()
    steps: Dim = 1
    mixing: tuple[Op, ...]
    if form == "chunkwise":
        tilings = (Tiling(chunk, N, "chunk"),)
        steps = ceil_div(N, chunk)
        N = steps * chunk
        mixing = _by_chunk(batch * steps, heads, chunk, d)
    elif form == "recurrent":
        steps = N
        mixing = _by_token(batch * N, heads, d)
    else:
        mixing = scaled_dot_product(batch, heads, N, N, d, 2 * d)
    rows = batch * N
    return Cost(
        name,
        (
            linear("q", rows, C, C, bias=False),
            linear("k", rows, C, C, bias=False),
            linear("v", rows, C, 2 * C, bias=False),
            linear("gate", rows, C, 2 * C, bias=False),
            *mixing,
            group_norm("norm", rows, 2 * C, affine=False),
            linear("out", rows, 2 * C, C, bias=False),
        ),
        tilings=tilings,
        loop=steps,
    )


def _by_token(tokens: Dim, heads: Dim, d: Dim) -> tuple[Op, Op]:
    """Eq. 6 for each token and head."""
    return (
        matmul("KᵀV", tokens * heads, d, 1, 2 * d),  # (d x 1)(1 x 2d)
        matmul("QS", tokens * heads, 1, d, 2 * d),  # (1 x d)(d x 2d)
    )


def _by_chunk(chunks: Dim, heads: Dim, b: Dim, d: Dim) -> tuple[Op, ...]:
    """Eq. 7 for each chunk of b tokens and each head."""
    return (
        *scaled_dot_product(chunks, heads, b, b, d, 2 * d),  # (b x d)(d x b), (b x b)(b x 2d)
        matmul("QR", chunks * heads, b, d, 2 * d),  # (b x d)(d x 2d)
        matmul("KᵀV", chunks * heads, d, b, 2 * d),  # (d x b)(b x 2d)
    )


def state_elements(C: Dim, heads: Dim) -> Dim:
    """Elements of the state that recurrent and chunkwise retention carry along: d x 2d in every head."""
    d = head_width(C, heads)
    return heads * d * 2 * d
