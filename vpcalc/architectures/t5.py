"""T5 (Raffel et al. 2020, arXiv 1910.10683), the original release."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..cost import Cost, Stage
from ..dims import Dim
from ..errors import InputError
from ..layers.transformer import multi_head_attention, position_wise_feed_forward, token_embedding
from ..ops import rms_norm, table
from .registry import PAIR, Family, Setting, register
from .transformer import PARTS, vocabulary_head

BUCKETS = 32
"""Ranges of relative position, each with one learned bias per head (§2.1)."""


def t5(
    S: Dim,
    T: Dim,
    *,
    d_model: Dim,
    d_ff: Dim,
    layers: Dim,
    heads: Dim,
    d_kv: Dim,
    vocab: Dim,
    part: str,
    head: bool,
    batch: Dim = 1,
) -> Cost:
    """An encoder over S tokens, a decoder over T tokens, and the vocabulary projection of the decoder's.

    No bias anywhere. Every sub-layer opens with a norm that only rescales, and a last one closes each part.
    Positions enter as a bias on the scores of self-attention; one table a part serves all its layers
    (§2.1). One matrix embeds both sides and projects to the vocabulary. With an encoder or a decoder alone
    (``part``) the other length is not used, and an encoder's vectors are what it is for: nothing projects them.
    """
    attention = partial(multi_head_attention, d_model=d_model, heads=heads, d_k=d_kv, d_v=d_kv, batch=batch)

    def stack(name: str, n: Dim, *attentions: Cost, owns_table: bool) -> Cost:
        sublayers = (*attentions, position_wise_feed_forward(n, d_model, d_ff, batch=batch, bias=False))
        norms = tuple(rms_norm(f"norm{i}", batch * n, d_model) for i, _ in enumerate(sublayers, start=1))
        children = (
            token_embedding(vocab, d_model, shared=not owns_table),
            relative_bias(heads),
            Cost(f"{name} layer", norms, sublayers) * layers,
        )
        final = rms_norm("final norm", batch * n, d_model)
        return Cost(name, (final,), children, stage=Stage((n,), d_model, layers, heads))

    parts = []
    if part != "decoder":
        parts.append(stack("encoder", S, attention(S, S, name="self_attention"), owns_table=True))
    if part != "encoder":
        attentions = [attention(T, T, name="causal_self_attention")]
        if part == "both":
            attentions.append(attention(S, T, name="cross_attention"))
        parts.append(stack("decoder", T, *attentions, owns_table=part == "decoder"))
    if head and part != "encoder":
        parts.append(vocabulary_head(T, d_model, vocab, batch=batch, shared=True))
    return Cost("t5", children=tuple(parts))


def relative_bias(heads: Dim) -> Cost:
    """The table of a part; looking it up and adding it to the scores are not products."""
    return Cost("relative_position_bias", (table("relative position bias", BUCKETS, heads),))


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
    },
    choices={"part": PARTS},
    implied=_implied,
    check=_check,
)

LENGTH = 512
"""Longest sequence of pre-training (§3.1.2)."""

for _size, _d_model, _d_ff, _layers, _heads, _d_kv in (
    ("small", 512, 2048, 6, 8, 64),
    ("base", 768, 3072, 12, 12, 64),
    ("large", 1024, 4096, 24, 16, 64),
    ("3b", 1024, 16384, 24, 32, 128),
    ("11b", 1024, 65536, 24, 128, 128),
):
    register(
        T5,
        f"t5_{_size}",
        sizes=(LENGTH, LENGTH),
        aliases=(f"t5-{_size}",),
        source=f"{T5.source}, §3.7",
        d_model=_d_model,
        d_ff=_d_ff,
        layers=_layers,
        heads=_heads,
        d_kv=_d_kv,
        vocab=32128,
        part="both",
        head=True,
    )
