"""Layers of the encoder-decoder Transformer (Vaswani et al. 2017, arXiv 1706.03762)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..abstract import modules
from ..abstract.functions import (
    affine,
    chosen,
    constant,
    filled,
    gelu,
    mean,
    pointwise,
    relu,
    sqrt,
    square,
)
from ..abstract.layout import product
from ..abstract.modules import linear, module, parameter, titled
from ..abstract.tape import INPUT, Tape
from ..abstract.tensor import INT64, Tensor, fresh, given
from ..dims import Dim
from ..ops import rms_norm
from .attention import attend, merge_heads, split_heads
from .registry import layer


@module
def multi_head_attention(
    targets: Tensor,
    sources: Tensor,
    heads: Dim,
    d_k: Dim,
    d_v: Dim,
    mask: Tensor | None = None,
    *,
    title: str = "mha",
    scaled: bool = True,
    cached: bool = False,
) -> Tensor:
    """Targets (batch, T, d_model) attend to sources (batch, S, d_model); projections without bias.

    ``mask`` is added to the scores; ``cached``: a decoder's, whose keys and values serve every later token.
    """
    with targets.tape.node(title):
        q = split_heads(linear("q", targets, heads * d_k, bias=False), heads)
        k = split_heads(linear("k", sources, heads * d_k, bias=False), heads)
        v = split_heads(linear("v", sources, heads * d_v, bias=False), heads)
        if cached:
            k.cached()
            v.cached()
        return linear("out", merge_heads(attend(q, k, v, mask, scaled)), targets.shape[-1], bias=False)


@module
@titled("ffn")
def position_wise_feed_forward(x: Tensor, d_ff: Dim, bias: bool = True) -> Tensor:
    """(batch, n, d_model) to the same through ``d_ff`` channels and ReLU."""
    return linear("fc2", relu(linear("fc1", x, d_ff, bias)), x.shape[-1], bias)


@module
@titled("ffn")
def gated_feed_forward(x: Tensor, d_ff: Dim, activation: Callable[[Tensor], Tensor] = gelu) -> Tensor:
    """(batch, n, d_model) to the same through ``d_ff`` channels, each times a gate: GEGLU, without bias.

    Shazeer 2020, arXiv 2002.05202, eq. 6; with ``silu`` it is SwiGLU.
    """
    gated = activation(linear("gate", x, d_ff, bias=False)) * linear("fc1", x, d_ff, bias=False)
    return linear("fc2", gated, x.shape[-1], bias=False)


@module
def scale_norm(x: Tensor, learned: bool = True) -> Tensor:
    """Each row over its root mean square; times a scale, where one is ``learned``."""
    tape = x.tape
    scale = parameter(tape, x.shape[-1]) if learned else None
    if tape.ledger is not None:
        price = rms_norm(tape.name, product(x.shape[:-1]), x.shape[-1], learned)
        tape.ledger.charge(price, [] if scale is None else [scale], tape.name)
    x = x / sqrt(mean(square(x), (-1,), keepdim=True) + 1.0)
    return x if scale is None else x * scale


def causal_mask(tape: Tape, n: Dim) -> Tensor:
    """What to add to scores so that no token attends to a later one: (n, n)."""
    position = constant(tape, n)
    later = position[None, :] > position[:, None]
    return filled(constant(tape, n, n, item=tape.item), later)


def sinusoids(tape: Tape, n: Dim, d_model: Dim) -> Tensor:
    """(n, d_model): sines on even channels, cosines on odd ones."""
    channel = constant(tape, d_model)
    frequency = pointwise("pow", -((channel - pointwise("remainder", channel)) / d_model))
    angle = constant(tape, n)[:, None] * frequency[None, :]
    return chosen(pointwise("remainder", channel) < 1, pointwise("sin", angle), pointwise("cos", angle))


@module
@titled("positional_encoding")
def positional_encoding(x: Tensor) -> Tensor:
    """Adds the sinusoids to (batch, n, d_model)."""
    return x + sinusoids(x.tape, x.shape[1], x.shape[2])


def word_table(tape: Tape, V: Dim, d_model: Dim) -> Tensor:
    """One learned vector for each of V words; counted where it is used first."""
    return parameter(tape, V, d_model, label="tokens")


def token_embedding(name: str, ids: Tensor, table: Tensor) -> Tensor:
    """Ids (batch, n) to vectors (batch, n, d_model)."""
    with ids.tape.node("token_embedding"):
        return modules.embedding(name, ids, table)


@module
@titled("vocabulary")
def vocabulary_projection(x: Tensor, table: Tensor) -> Tensor:
    """(batch, n, d_model) to scores (batch, n, V), by the rows of a table (V, d_model)."""
    return affine(x, table, None)


@layer("mha", "Multi-head attention", "Vaswani et al. 2017, §3.2.2")
def _mha(tape: Tape, S: Dim, T: Dim, d_model: Dim, heads: Dim, d_k: Dim, d_v: Dim, *, batch: Dim = 1) -> Any:
    """T target tokens attend to S source tokens, in heads of any width.

    Self-attention is S = T. The projections are the paper's matrices W^Q, W^K, W^V and W^O, without bias, and
    ``heads * d_k`` need not be ``d_model`` (Table 3, rows B).

    Args:
        S: tokens that give keys and values.
        T: tokens that give queries.
        d_model: channels of a token.
        heads: attention heads.
        d_k: width of a query or key head.
        d_v: width of a value head.
        batch: sequences.
    """
    targets, sources = given(tape, batch, T, d_model), given(tape, batch, S, d_model)
    return multi_head_attention("", targets, sources, heads, d_k, d_v)


@layer("causal_mha", "Causal multi-head attention", "Vaswani et al. 2017, §3.2.3")
def _causal_mha(tape: Tape, T: Dim, d_model: Dim, heads: Dim, d_k: Dim, d_v: Dim, *, batch: Dim = 1) -> Any:
    """Self-attention in which no token sees a later one.

    The products are computed in full and the later half is masked before softmax, as the paper has it.

    Args:
        T: tokens.
        d_model: channels of a token.
        heads: attention heads.
        d_k: width of a query or key head.
        d_v: width of a value head.
        batch: sequences.
    """
    x, title = given(tape, batch, T, d_model), "causal_mha"
    return multi_head_attention("attention", x, x, heads, d_k, d_v, causal_mask(tape, T), title=title, cached=True)


@layer("ffn_tokens", "Position-wise feed-forward", "Vaswani et al. 2017, eq. 2")
def _ffn_tokens(tape: Tape, N: Dim, d_model: Dim, d_ff: Dim, *, batch: Dim = 1, bias: bool = True) -> Any:
    """max(0, xW₁ + b₁)W₂ + b₂ at each of N tokens.

    Args:
        N: tokens.
        d_model: channels of a token.
        d_ff: hidden channels.
        batch: sequences.
        bias: whether there are b₁ and b₂; T5 has none.
    """
    return position_wise_feed_forward("", given(tape, batch, N, d_model), d_ff, bias)


@layer("token_embedding", "Token embedding", "Vaswani et al. 2017, §3.4")
def _token_embedding(tape: Tape, V: Dim, d_model: Dim) -> Any:
    """One learned vector for each word of the vocabulary; looking it up is not a product.

    Args:
        V: vocabulary.
        d_model: channels of a token.
    """
    return token_embedding("", fresh(tape, (1, 1), INT64, INPUT), word_table(tape, V, d_model))


@layer("positional_encoding", "Sinusoidal positional encoding", "Vaswani et al. 2017, §3.5")
def _positional_encoding(tape: Tape, N: Dim, d_model: Dim) -> Any:
    """Sines and cosines of N positions, added to ``d_model`` channels: nothing to learn and no product."""
    return positional_encoding("", given(tape, 1, N, d_model))


@layer("vocabulary", "Vocabulary projection", "Vaswani et al. 2017, §3.4")
def _vocabulary(tape: Tape, N: Dim, d_model: Dim, V: Dim, *, batch: Dim = 1) -> Any:
    """N tokens to one score for each word, without bias.

    Where the matrix is that of the token embedding, a network counts it there.

    Args:
        N: tokens.
        d_model: channels of a token.
        V: vocabulary.
        batch: sequences.
    """
    return vocabulary_projection("", given(tape, batch, N, d_model), word_table(tape, V, d_model))
