"""The Transformer (Vaswani et al. 2017, arXiv 1706.03762)."""

from __future__ import annotations

from functools import partial

from ..cost import Cost, Stage
from ..dims import Dim
from ..layers.embedding import position_embedding
from ..layers.transformer import (
    multi_head_attention,
    position_wise_feed_forward,
    positional_encoding,
    token_embedding,
    vocabulary_projection,
)
from ..ops import layer_norm
from .registry import PAIR, Family, register

PARTS = ("both", "encoder", "decoder")
"""How an encoder-decoder is used. An encoder alone reads S tokens; a decoder alone reads T tokens, each of
which sees those before it, and has no cross-attention."""


def transformer(
    S: Dim,
    T: Dim,
    *,
    N: Dim,
    d_model: Dim,
    d_ff: Dim,
    h: Dim,
    d_k: Dim,
    d_v: Dim,
    vocab: Dim,
    positions: str,
    shared: bool,
    part: str,
    head: bool,
    batch: Dim = 1,
) -> Cost:
    """An encoder over S tokens, a decoder over T tokens, and the vocabulary projection of what came last.

    Every sub-layer is followed by a layer norm, and there is no final one (Figure 1). Learned positions
    are made for the given lengths, one table a part. An encoder or a decoder alone (``part``) projects its own
    tokens to the vocabulary; the other length is then not used.
    """
    attention = partial(multi_head_attention, d_model=d_model, heads=h, d_k=d_k, d_v=d_v, batch=batch)

    def opening(n: Dim, *, owns_table: bool) -> tuple[Cost, Cost]:
        positioned = position_embedding(n, d_model) if positions == "learned" else positional_encoding(n, d_model)
        return token_embedding(vocab, d_model, shared=not owns_table), positioned

    def block(name: str, n: Dim, *attentions: Cost) -> Cost:
        children = (*attentions, position_wise_feed_forward(n, d_model, d_ff, batch=batch))
        norms = tuple(layer_norm(f"norm{i}", batch * n, d_model) for i, _ in enumerate(children, start=1))
        return Cost(name, norms, children)

    parts = []
    if part != "decoder":
        encoder = block("encoder layer", S, attention(S, S, name="self_attention"))
        children = (*opening(S, owns_table=True), encoder * N)
        parts.append(Cost("encoder", children=children, stage=Stage((S,), d_model, N, h)))
    if part != "encoder":
        attentions = [attention(T, T, name="causal_self_attention")]
        if part == "both":
            attentions.append(attention(S, T, name="cross_attention"))
        decoder = block("decoder layer", T, *attentions)
        children = (*opening(T, owns_table=part == "decoder" or not shared), decoder * N)
        parts.append(Cost("decoder", children=children, stage=Stage((T,), d_model, N, h)))
    if head:
        parts.append(vocabulary_head(S if part == "encoder" else T, d_model, vocab, batch=batch, shared=shared))
    return Cost("transformer", children=tuple(parts))


def vocabulary_head(n: Dim, d_model: Dim, vocab: Dim, *, batch: Dim, shared: bool) -> Cost:
    """The head's entry in the table of stages."""
    projection = vocabulary_projection(n, d_model, vocab, batch=batch, shared=shared)
    return Cost("head", children=(projection,), stage=Stage((n,), d_model))


TRANSFORMER = Family(
    "transformer",
    transformer,
    "Vaswani et al. 2017, arXiv 1706.03762",
    axes=PAIR,
    meanings={
        "N": "layers of the encoder, and of the decoder",
        "d_model": "channels of a token",
        "d_ff": "hidden channels of the feed-forward",
        "h": "attention heads",
        "d_k": "width of a query or key head",
        "d_v": "width of a value head",
        "vocab": "words of the vocabulary",
        "positions": "sines and cosines, or a learned table (Table 3, row E)",
        "shared": "one matrix for both embeddings and the vocabulary projection (§3.4)",
        "part": "the encoder-decoder, or one of the two alone",
        "head": "whether the vocabulary projection is run",
    },
    choices={"positions": ("sinusoidal", "learned"), "part": PARTS},
)

LENGTH = 128
"""The paper fixes no sentence length (it batches 25,000 tokens of mixed ones); a long sentence pair stands in."""

for _id, _d_model, _d_ff, _h in (("transformer_base", 512, 2048, 8), ("transformer_big", 1024, 4096, 16)):
    register(
        TRANSFORMER,
        _id,
        sizes=(LENGTH, LENGTH),
        source=f"{TRANSFORMER.source}, Table 3",
        N=6,
        d_model=_d_model,
        d_ff=_d_ff,
        h=_h,
        d_k=64,
        d_v=64,
        vocab=37000,
        positions="sinusoidal",
        shared=True,
        part="both",
        head=True,
    )
