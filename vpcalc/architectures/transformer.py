"""The Transformer (Vaswani et al. 2017, arXiv 1706.03762)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..abstract.modules import Copies, Step, each, layer_norm, module, repeat, titled
from ..abstract.recompute import recomputable
from ..abstract.tensor import Tensor
from ..cost import Stage
from ..dims import Dim
from ..layers.embedding import position_embedding
from ..layers.transformer import (
    causal_mask,
    multi_head_attention,
    position_wise_feed_forward,
    positional_encoding,
    token_embedding,
    vocabulary_projection,
    word_table,
)
from .axes import PAIR
from .registry import Family, register

PARTS = ("both", "encoder", "decoder")
"""How an encoder-decoder is used. An encoder alone reads S tokens; a decoder alone reads T tokens, each of
which sees those before it, and has no cross-attention."""

Part = Callable[..., Tensor]


def transformer(
    *ids: Tensor,
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
) -> Tensor:
    """An encoder over S tokens, a decoder over T tokens, and the vocabulary projection of what came last.

    Every sub-layer is followed by a layer norm, and there is no final one (Figure 1). Learned positions
    are made for the given lengths, one table a part. An encoder or a decoder alone (``part``) projects its own
    tokens to the vocabulary; the other length is then not used. Without a head, vectors come out.
    """
    tape, widths = ids[0].tape, (d_ff, h, d_k, d_v)
    stage = partial(Stage, channels=d_model, depth=N, heads=h)
    table = word_table(tape, vocab, d_model)
    encode: Part | None = None
    decode: Part | None = None
    if part != "decoder":
        begin = partial(_opening, table=table, positions=positions)
        encode = partial(
            _encoder, begin=begin, layers=Copies(partial(_encoder_layer, widths=widths), N), stage=stage
        )
    if part != "encoder":
        written = table if shared or part == "decoder" else word_table(tape, vocab, d_model)
        begin = partial(_opening, table=written, positions=positions)
        decode = partial(
            _decoder, begin=begin, layers=Copies(partial(_decoder_layer, widths=widths), N), stage=stage
        )
    x = run_parts(encode, decode, ids)
    if not head:
        return x
    return vocabulary_head(x, table if shared else word_table(tape, vocab, d_model))


def run_parts(encode: Part | None, decode: Part | None, ids: tuple[Tensor, ...]) -> Tensor:
    """Vectors of the decoder, or of the encoder where it is alone."""
    if decode is None:
        assert encode is not None
        return encode("encoder", *ids)
    if encode is None:
        return decode("decoder", *ids, None)
    source, target = ids
    return decode("decoder", target, encode("encoder", source))


def vocabulary_head(x: Tensor, table: Tensor) -> Tensor:
    """Vectors (batch, n, d_model) to scores of every word: the head's entry in the table of stages."""
    with x.tape.node("head") as node:
        node.stage = Stage((x.shape[1],), x.shape[2])
        return vocabulary_projection("head", x, table)


@module
def _encoder(ids: Tensor, begin: Step, layers: Copies[Step], stage: Callable[..., Stage]) -> Tensor:
    """Token ids (batch, S) to vectors (batch, S, d_model)."""
    with ids.tape.node("encoder") as node:
        node.stage = stage((ids.shape[1],))
        return repeat("layers", begin("opening", ids), layers)


@module
def _decoder(
    ids: Tensor, memory: Tensor | None, begin: Step, layers: Copies[Part], stage: Callable[..., Stage]
) -> Tensor:
    """Token ids (batch, T), and the encoder's output where there is one, to vectors (batch, T, d_model)."""
    with ids.tape.node("decoder") as node:
        node.stage = stage((ids.shape[1],))
        x = begin("opening", ids)
        mask = causal_mask(x.tape, x.shape[1])
        for number, step in each(x.tape, layers):
            x = step(f"layers.{number}", x, mask, memory)
        return x


@module
def _opening(ids: Tensor, table: Tensor, positions: str) -> Tensor:
    """Token ids (batch, n) to vectors with positions added (batch, n, d_model)."""
    place = position_embedding if positions == "learned" else positional_encoding
    return place("positions", token_embedding("tokens", ids, table) * 1.0)


@module
@recomputable
@titled("encoder layer")
def _encoder_layer(x: Tensor, widths: tuple[Dim, ...]) -> Tensor:
    """Self-attention and feed-forward, each with a residual and then a norm."""
    d_ff, heads, d_k, d_v = widths
    x = layer_norm("norm1", x + multi_head_attention("attention", x, x, heads, d_k, d_v, title="self_attention"))
    return layer_norm("norm2", x + position_wise_feed_forward("ffn", x, d_ff))


@module
@recomputable
@titled("decoder layer")
def _decoder_layer(x: Tensor, mask: Tensor, memory: Tensor | None, widths: tuple[Dim, ...]) -> Tensor:
    """Causal self-attention, attention to the encoder's output if there is one, feed-forward."""
    d_ff, heads, d_k, d_v = widths
    attend = partial(multi_head_attention, heads=heads, d_k=d_k, d_v=d_v, cached=True)
    x = layer_norm("norm1", x + attend("attention", x, x, mask=mask, title="causal_self_attention"))
    if memory is not None:
        x = layer_norm("norm2", x + attend("cross", x, memory, title="cross_attention"))
    return layer_norm("norm3", x + position_wise_feed_forward("ffn", x, d_ff))


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
