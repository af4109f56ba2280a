"""T5 (Raffel et al. 2020, arXiv 1910.10683), the original release and T5 v1.1."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..abstract.functions import chosen, constant, converted, pointwise
from ..abstract.modules import Copies, each, embedding, linear, module, parameter, titled
from ..abstract.recompute import recomputable
from ..abstract.tensor import INT64, Tensor
from ..cost import Stage
from ..dims import Dim
from ..errors import InputError
from ..layers.transformer import (
    causal_mask,
    gated_feed_forward,
    multi_head_attention,
    position_wise_feed_forward,
    scale_norm,
    token_embedding,
    word_table,
)
from .axes import PAIR
from .registry import Family, Setting, register
from .transformer import PARTS, Part, run_parts, vocabulary_head

BUCKETS = 32
"""Ranges of relative position, each with one learned bias per head (§2.1)."""


def t5(
    *ids: Tensor,
    d_model: Dim,
    d_ff: Dim,
    layers: Dim,
    heads: Dim,
    d_kv: Dim,
    vocab: Dim,
    part: str,
    head: bool,
    gated: bool = False,
    tied: bool = True,
) -> Tensor:
    """An encoder over S tokens, a decoder over T tokens, and the vocabulary projection of the decoder's.

    No bias anywhere. Every sub-layer opens with a norm that only rescales, and a last one closes each part.
    Positions enter as a bias on the scores of self-attention; one table a part serves all its layers
    (§2.1). One matrix embeds both sides and, where ``tied``, projects to the vocabulary. With an encoder or a
    decoder alone (``part``) the other length is not used, and an encoder's vectors are what it is for: nothing
    projects them.
    """
    table = word_table(ids[0].tape, vocab, d_model)
    blocks = Copies(partial(_layer, widths=(d_ff, heads, d_kv), gated=gated), layers)
    stack = partial(_stack, table=table, layers=blocks, heads=heads)
    encode = None if part == "decoder" else partial(stack, causal=False)
    decode = None if part == "encoder" else partial(stack, causal=True)
    x = run_parts(encode, decode, ids)
    if not head or part == "encoder":
        return x
    return vocabulary_head(x * 1.0, table) if tied else _own_head(x, vocab)


def _own_head(x: Tensor, vocab: Dim) -> Tensor:
    """The vocabulary projection with a matrix of its own."""
    with x.tape.node("head") as node:
        node.stage = Stage((x.shape[1],), x.shape[2])
        return linear("head", x, vocab, bias=False)


@module
def _stack(
    ids: Tensor, memory: Tensor | None = None, *, table: Tensor, layers: Copies[Part], heads: Dim, causal: bool
) -> Tensor:
    """Token ids (batch, n) to vectors (batch, n, d_model); one table of relative biases for all layers."""
    with ids.tape.node("decoder" if causal else "encoder") as node:
        node.stage = Stage((ids.shape[1],), table.shape[1], layers.times, heads)
        x = token_embedding("tokens", ids, table)
        bias = relative_bias("bias", x, heads, causal)
        if causal:
            bias = bias + causal_mask(x.tape, x.shape[1])
        for number, step in each(x.tape, layers):
            x = step(f"layers.{number}", x, bias, memory, causal=causal)
        return scale_norm("norm", x)


@module
@recomputable
def _layer(
    x: Tensor, bias: Tensor, memory: Tensor | None, widths: tuple[Dim, ...], gated: bool, causal: bool
) -> Tensor:
    """Self-attention, attention to the encoder's output if there is one, feed-forward; norms come first."""
    d_ff, heads, d_kv = widths
    attend = partial(multi_head_attention, heads=heads, d_k=d_kv, d_v=d_kv, scaled=False)
    title, own = ("decoder layer", "causal_self_attention") if causal else ("encoder layer", "self_attention")
    with x.tape.node(title):
        normed = scale_norm("norm1", x)
        x = x + attend("attention", normed, normed, mask=bias, title=own, cached=causal)
        if memory is not None:
            x = x + attend("cross", scale_norm("norm2", x), memory, title="cross_attention", cached=True)
        feed_forward = gated_feed_forward if gated else partial(position_wise_feed_forward, bias=False)
        return x + feed_forward("ffn", scale_norm("norm3", x), d_ff)


@module
@titled("relative_position_bias")
def relative_bias(x: Tensor, heads: Dim, causal: bool) -> Tensor:
    """(1, heads, n, n) to add to the scores: looking it up in the part's table and adding it are not products."""
    tape = x.tape
    table = parameter(tape, BUCKETS, heads, label="relative position bias")
    position = constant(tape, x.shape[1])
    ahead = position[None, :] - position[:, None]
    rows = _rows(ahead, causal)
    return embedding("table", rows, table).permute(2, 0, 1)[None]


def _rows(ahead: Tensor, causal: bool) -> Tensor:
    """The row of the table for each distance; a causal one spends no bucket on later tokens."""
    if causal:
        return _bucket(pointwise("clamp", -ahead))
    return _bucket(pointwise("abs", ahead)) + (ahead > 0) * 1


def _bucket(offset: Tensor) -> Tensor:
    """The range in which a distance falls."""
    octaves = pointwise("log", pointwise("clamp", offset) / 1) / 1
    wide = converted(octaves * 1, INT64) + 1
    return chosen(offset < 1, offset, pointwise("clamp", wide))


def _implied(config: Mapping[str, Any]) -> Mapping[str, Setting]:
    return {"head": False} if config["part"] == "encoder" else {}


def _check(config: Mapping[str, Any]) -> None:
    if config["part"] == "encoder" and config["head"]:
        raise InputError("--set head=true: a T5 encoder alone has no vocabulary projection; leave head out")


T5 = Family(
    "t5",
    t5,
    "Raffel et al. 2020, arXiv 1910.10683",
    axes=PAIR,
    meanings={
        "d_model": "channels of a token",
        "d_ff": "hidden channels of the feed-forward",
        "layers": "layers of the encoder, and of the decoder",
        "heads": "attention heads",
        "d_kv": "width of a query, key or value head",
        "vocab": "words of the vocabulary",
        "part": "the encoder-decoder, or one of the two alone",
        "head": "whether the vocabulary projection is run; an encoder alone has none",
        "gated": "whether the feed-forward is gated (GEGLU), as in T5 v1.1",
        "tied": "whether the embedding's matrix is the vocabulary projection's, too",
    },
    choices={"part": PARTS},
    implied=_implied,
    check=_check,
)

LENGTH = 512
"""Longest sequence of pre-training (§3.1.2)."""

RELEASES = {
    "t5": (
        f"{T5.source}, §3.7",
        ("small", 512, 2048, 6, 8, 64),
        ("base", 768, 3072, 12, 12, 64),
        ("large", 1024, 4096, 24, 16, 64),
        ("3b", 1024, 16384, 24, 32, 128),
        ("11b", 1024, 65536, 24, 128, 128),
    ),
    "t5_v1_1": (
        "T5 v1.1, released_checkpoints.md of its authors; Shazeer 2020, arXiv 2002.05202",
        ("small", 512, 1024, 8, 6, 64),
        ("base", 768, 2048, 12, 12, 64),
        ("large", 1024, 2816, 24, 16, 64),
        ("xl", 2048, 5120, 24, 32, 64),
        ("xxl", 4096, 10240, 24, 64, 64),
    ),
}
"""The same layers but for the feed-forward; the second's projection does not share the embedding's matrix."""

for _release, (_source, *_sizes) in RELEASES.items():
    for _size, _d_model, _d_ff, _layers, _heads, _d_kv in _sizes:
        register(
            T5,
            f"{_release}_{_size}",
            sizes=(LENGTH, LENGTH),
            aliases=(f"{_release.replace('_', '-', 1)}-{_size}",),
            source=_source,
            d_model=_d_model,
            d_ff=_d_ff,
            layers=_layers,
            heads=_heads,
            d_kv=_d_kv,
            vocab=32128,
            part="both",
            head=True,
            gated=_release != "t5",
            tied=_release == "t5",
        )
