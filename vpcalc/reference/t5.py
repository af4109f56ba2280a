"""T5, written from Raffel et al. 2020 (§2.1) and the conventions of its release."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .attention import attend, merge_heads, split_heads
from .registry import Witness, model_witness
from .transformer import GatedFeedForward, PositionWiseFeedForward, ScaleNorm, causal_mask, run_parts, token_ids


def bucket(offset: Tensor, buckets: int, farthest: int) -> Tensor:
    """The range in which a distance of ``offset`` >= 0 tokens falls.

    The first half of the ranges hold one distance each; the others grow by a constant factor until
    ``farthest``, and all that is farther shares the last one (§2.1).
    """
    exact = buckets // 2
    octaves = torch.log(offset.clamp(min=1) / exact) / math.log(farthest / exact)
    wide = exact + (octaves * (buckets - exact)).long()
    return torch.where(offset < exact, offset, wide.clamp(max=buckets - 1))


class RelativeBias(nn.Module):
    """(1, heads, n, n) to add to the scores of n tokens. A causal table spends no bucket on later tokens."""

    def __init__(self, heads: int, causal: bool, buckets: int = 32, farthest: int = 128) -> None:
        super().__init__()
        self.causal = causal
        self.buckets, self.farthest = buckets, farthest
        self.table = nn.Embedding(buckets, heads)

    def forward(self, x: Tensor) -> Tensor:
        position = torch.arange(x.shape[1], device=x.device)
        ahead = position[None, :] - position[:, None]
        if self.causal:
            rows = bucket((-ahead).clamp(min=0), self.buckets, self.farthest)
        else:
            half = self.buckets // 2
            rows = bucket(ahead.abs(), half, self.farthest) + half * (ahead > 0)
        return self.table(rows).permute(2, 0, 1)[None]


class T5Attention(nn.Module):
    """Targets (batch, T, d_model) attend to sources (batch, S, d_model): no bias, and scores not scaled."""

    def __init__(self, d_model: int, heads: int, d_kv: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(d_model, heads * d_kv, bias=False)
        self.k = nn.Linear(d_model, heads * d_kv, bias=False)
        self.v = nn.Linear(d_model, heads * d_kv, bias=False)
        self.out = nn.Linear(heads * d_kv, d_model, bias=False)

    def forward(self, targets: Tensor, sources: Tensor, bias: Tensor | None = None) -> Tensor:
        q = split_heads(self.q(targets), self.heads)
        k = split_heads(self.k(sources), self.heads)
        v = split_heads(self.v(sources), self.heads)
        return self.out(merge_heads(attend(q, k, v, bias, scaled=False)))


class T5Layer(nn.Module):
    """Self-attention, attention to the encoder's output if there is one, feed-forward; norms come first."""

    def __init__(self, d_model: int, d_ff: int, heads: int, d_kv: int, cross: bool, gated: bool) -> None:
        super().__init__()
        self.norm1 = ScaleNorm(d_model)
        self.attention = T5Attention(d_model, heads, d_kv)
        self.norm2 = ScaleNorm(d_model) if cross else None
        self.cross = T5Attention(d_model, heads, d_kv) if cross else None
        self.norm3 = ScaleNorm(d_model)
        self.ffn = GatedFeedForward(d_model, d_ff) if gated else PositionWiseFeedForward(d_model, d_ff, bias=False)

    def forward(self, x: Tensor, bias: Tensor, memory: Tensor | None) -> Tensor:
        normed = self.norm1(x)
        x = x + self.attention(normed, normed, bias)
        if self.cross is not None and self.norm2 is not None and memory is not None:
            x = x + self.cross(self.norm2(x), memory)
        return x + self.ffn(self.norm3(x))


class T5Stack(nn.Module):
    """Token ids (batch, n) to vectors (batch, n, d_model); one table of relative biases for all layers."""

    def __init__(self, tokens: nn.Embedding, layers: Iterable[nn.Module], heads: int, causal: bool) -> None:
        super().__init__()
        self.tokens = tokens
        self.causal = causal
        self.bias = RelativeBias(heads, causal)
        self.layers = nn.ModuleList(layers)
        self.norm = ScaleNorm(tokens.embedding_dim)

    def forward(self, ids: Tensor, memory: Tensor | None = None) -> Tensor:
        x = self.tokens(ids)
        bias = self.bias(x)
        if self.causal:
            bias = bias + causal_mask(x.shape[1], x.device)
        for layer in self.layers:
            x = layer(x, bias, memory)
        return self.norm(x)


class T5(nn.Module):
    """Ids of source (batch, S) and target (batch, T) to scores (batch, T, vocab), or vectors without a head.

    With ``part`` an encoder or a decoder alone, there is one input; an encoder gives vectors. One matrix
    embeds both sides and, where ``tied``, on vectors scaled by 1/√d_model, gives the decoder's scores.
    """

    def __init__(
        self,
        d_model: int,
        d_ff: int,
        layers: int,
        heads: int,
        d_kv: int,
        vocab: int,
        part: str,
        head: bool,
        gated: bool = False,
        tied: bool = True,
    ) -> None:
        super().__init__()
        tokens = nn.Embedding(vocab, d_model)
        self.encoder: T5Stack | None = None
        self.decoder: T5Stack | None = None
        self.head: nn.Linear | None = None

        def stack(causal: bool, cross: bool) -> T5Stack:
            blocks = (T5Layer(d_model, d_ff, heads, d_kv, cross, gated) for _ in range(layers))
            return T5Stack(tokens, blocks, heads, causal)

        if part != "decoder":
            self.encoder = stack(causal=False, cross=False)
        if part != "encoder":
            self.decoder = stack(causal=True, cross=part == "both")
        if head and part != "encoder":
            self.head = nn.Linear(d_model, vocab, bias=False)
            self.tied = tied
            if tied:
                self.head.weight = tokens.weight

    def forward(self, *ids: Tensor) -> Tensor:
        x = run_parts(self.encoder, self.decoder, ids)
        if self.head is None:
            return x
        return self.head(x * x.shape[-1] ** -0.5 if self.tied else x)


@model_witness("t5")
def t5(sizes: tuple[int, int], config: Mapping[str, Any], batch: int = 1) -> Witness:
    """T5 for one pair of lengths."""
    return Witness(T5(**config), token_ids(sizes, config["part"], batch))
