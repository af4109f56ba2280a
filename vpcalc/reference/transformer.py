"""The Transformer, written from Vaswani et al. 2017."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attend, merge_heads, split_heads
from .embedding import PositionEmbedding
from .registry import Witness, layer_witness, model_witness


class MultiHeadAttention(nn.Module):
    """Targets (batch, T, d_model) attend to sources (batch, S, d_model); projections without bias (§3.2.2)."""

    def __init__(self, d_model: int, heads: int, d_k: int, d_v: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(d_model, heads * d_k, bias=False)
        self.k = nn.Linear(d_model, heads * d_k, bias=False)
        self.v = nn.Linear(d_model, heads * d_v, bias=False)
        self.out = nn.Linear(heads * d_v, d_model, bias=False)

    def forward(self, targets: Tensor, sources: Tensor, mask: Tensor | None = None) -> Tensor:
        q = split_heads(self.q(targets), self.heads)
        k = split_heads(self.k(sources), self.heads)
        v = split_heads(self.v(sources), self.heads)
        return self.out(merge_heads(attend(q, k, v, mask)))


class CausalAttention(nn.Module):
    """(batch, T, d_model) to the same; a token attends to itself and to those before it (§3.2.3)."""

    def __init__(self, d_model: int, heads: int, d_k: int, d_v: int) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(d_model, heads, d_k, d_v)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, causal_mask(x.shape[1], x.device))


class PositionWiseFeedForward(nn.Module):
    """(batch, n, d_model) to the same through ``d_ff`` channels and ReLU (eq. 2)."""

    def __init__(self, d_model: int, d_ff: int, bias: bool = True) -> None:
        super().__init__()
        self.fc1 = nn.Linear(d_model, d_ff, bias=bias)
        self.fc2 = nn.Linear(d_ff, d_model, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.relu(self.fc1(x)))


class GatedFeedForward(nn.Module):
    """(batch, n, d_model) to the same through ``d_ff`` channels, each times a gate (Shazeer 2020), without bias.

    The gate is GELU, as in T5 v1.1, or ``swish``.
    """

    def __init__(self, d_model: int, d_ff: int, swish: bool = False) -> None:
        super().__init__()
        self.activation = F.silu if swish else partial(F.gelu, approximate="tanh")
        self.gate = nn.Linear(d_model, d_ff, bias=False)
        self.fc1 = nn.Linear(d_model, d_ff, bias=False)
        self.fc2 = nn.Linear(d_ff, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.activation(self.gate(x)) * self.fc1(x))


class ScaleNorm(nn.Module):
    """(…, width) over its root mean square: no mean taken off, nothing added; times a scale if ``learned``."""

    def __init__(self, width: int, learned: bool = True, smallest: float = 1e-6) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width)) if learned else None
        self.smallest = smallest

    def forward(self, x: Tensor) -> Tensor:
        x = x / (x.square().mean(dim=-1, keepdim=True) + self.smallest).sqrt()
        return x if self.scale is None else x * self.scale


def causal_mask(n: int, device: torch.device) -> Tensor:
    """What to add to scores so that no token attends to a later one: (n, n), 0 or -inf."""
    position = torch.arange(n, device=device)
    later = position[None, :] > position[:, None]
    return torch.zeros(n, n, device=device).masked_fill(later, float("-inf"))


def sinusoids(n: int, d_model: int, device: torch.device) -> Tensor:
    """(n, d_model): sines on even channels, cosines on odd ones, of wavelengths from 2π to 20,000π (§3.5)."""
    channel = torch.arange(d_model, device=device)
    frequency = 10000.0 ** -((channel - channel % 2) / d_model)
    angle = torch.arange(n, device=device)[:, None] * frequency[None, :]
    return torch.where(channel % 2 == 0, angle.sin(), angle.cos())


class PositionalEncoding(nn.Module):
    """Adds the sinusoids to (batch, n, d_model)."""

    def forward(self, x: Tensor) -> Tensor:
        return x + sinusoids(x.shape[1], x.shape[2], x.device)


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each with a residual and then a norm (§3.1)."""

    def __init__(self, d_model: int, d_ff: int, heads: int, d_k: int, d_v: int) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(d_model, heads, d_k, d_v)
        self.norm1 = nn.LayerNorm(d_model)
        self.ffn = PositionWiseFeedForward(d_model, d_ff)
        self.norm2 = nn.LayerNorm(d_model)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.attention(x, x))
        return self.norm2(x + self.ffn(x))


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the encoder's output if there is one, feed-forward (§3.1)."""

    def __init__(self, d_model: int, d_ff: int, heads: int, d_k: int, d_v: int, cross: bool) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(d_model, heads, d_k, d_v)
        self.norm1 = nn.LayerNorm(d_model)
        self.cross = MultiHeadAttention(d_model, heads, d_k, d_v) if cross else None
        self.norm2 = nn.LayerNorm(d_model) if cross else None
        self.ffn = PositionWiseFeedForward(d_model, d_ff)
        self.norm3 = nn.LayerNorm(d_model)

    def forward(self, x: Tensor, mask: Tensor, memory: Tensor | None) -> Tensor:
        x = self.norm1(x + self.attention(x, x, mask))
        if self.cross is not None and self.norm2 is not None and memory is not None:
            x = self.norm2(x + self.cross(x, memory))
        return self.norm3(x + self.ffn(x))


class Opening(nn.Module):
    """Token ids (batch, n) to vectors scaled by √d_model, with positions added (§3.4, §3.5)."""

    def __init__(self, tokens: nn.Embedding, n: int, positions: str) -> None:
        super().__init__()
        self.tokens = tokens
        learned = positions == "learned"
        self.positions = PositionEmbedding(n, tokens.embedding_dim) if learned else PositionalEncoding()

    def forward(self, ids: Tensor) -> Tensor:
        return self.positions(self.tokens(ids) * self.tokens.embedding_dim**0.5)


class Encoder(nn.Module):
    """Token ids (batch, S) to vectors (batch, S, d_model)."""

    def __init__(self, opening: nn.Module, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.opening = opening
        self.layers = nn.Sequential(*layers)

    def forward(self, ids: Tensor) -> Tensor:
        return self.layers(self.opening(ids))


class Decoder(nn.Module):
    """Token ids (batch, T), and the encoder's output where there is one, to vectors (batch, T, d_model)."""

    def __init__(self, opening: nn.Module, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.opening = opening
        self.layers = nn.ModuleList(layers)

    def forward(self, ids: Tensor, memory: Tensor | None = None) -> Tensor:
        x = self.opening(ids)
        mask = causal_mask(x.shape[1], x.device)
        for layer in self.layers:
            x = layer(x, mask, memory)
        return x


class Transformer(nn.Module):
    """Ids of source (batch, S) and target (batch, T) to scores (batch, T, vocab), or vectors without a head.

    With ``part`` an encoder or a decoder alone, there is one input and its own tokens are scored. Learned
    positions are made for one pair of lengths. ``shared``: both embeddings and the head are one matrix.
    """

    def __init__(
        self,
        S: int,
        T: int,
        N: int,
        d_model: int,
        d_ff: int,
        h: int,
        d_k: int,
        d_v: int,
        vocab: int,
        positions: str,
        shared: bool,
        part: str,
        head: bool,
    ) -> None:
        super().__init__()
        widths = (d_model, d_ff, h, d_k, d_v)
        tokens = nn.Embedding(vocab, d_model)
        self.encoder: Encoder | None = None
        self.decoder: Decoder | None = None
        self.head: nn.Linear | None = None
        if part != "decoder":
            self.encoder = Encoder(Opening(tokens, S, positions), (EncoderLayer(*widths) for _ in range(N)))
        if part != "encoder":
            written = tokens if shared or part == "decoder" else nn.Embedding(vocab, d_model)
            layers = (DecoderLayer(*widths, cross=part == "both") for _ in range(N))
            self.decoder = Decoder(Opening(written, T, positions), layers)
        if head:
            self.head = nn.Linear(d_model, vocab, bias=False)
            if shared:
                self.head.weight = tokens.weight

    def forward(self, *ids: Tensor) -> Tensor:
        x = run_parts(self.encoder, self.decoder, ids)
        return x if self.head is None else self.head(x)


def run_parts(encoder: nn.Module | None, decoder: nn.Module | None, ids: tuple[Tensor, ...]) -> Tensor:
    """Vectors of the decoder, or of the encoder where it is alone."""
    if decoder is None:
        assert encoder is not None
        return encoder(*ids)
    if encoder is None:
        return decoder(*ids)
    source, target = ids
    return decoder(target, encoder(source))


def token_ids(sizes: tuple[int, int], part: str, batch: int) -> tuple[Tensor, ...]:
    """The inputs of an encoder-decoder, or of the part of it that is used."""
    both = tuple(torch.zeros(batch, n, dtype=torch.long) for n in sizes)
    return {"both": both, "encoder": both[:1], "decoder": both[1:]}[part]


@model_witness("transformer")
def transformer(sizes: tuple[int, int], config: Mapping[str, Any], batch: int = 1) -> Witness:
    """A Transformer for one pair of lengths."""
    return Witness(Transformer(*sizes, **config), token_ids(sizes, config["part"], batch))


@layer_witness("mha")
def mha(S: int, T: int, d_model: int, heads: int, d_k: int, d_v: int, batch: int = 1) -> Witness:
    """Targets over sources."""
    inputs = (torch.zeros(batch, T, d_model), torch.zeros(batch, S, d_model))
    return Witness(MultiHeadAttention(d_model, heads, d_k, d_v), inputs)


@layer_witness("causal_mha")
def causal_mha(T: int, d_model: int, heads: int, d_k: int, d_v: int, batch: int = 1) -> Witness:
    """A sequence over its own past."""
    return Witness(CausalAttention(d_model, heads, d_k, d_v), (torch.zeros(batch, T, d_model),))


@layer_witness("ffn_tokens")
def ffn_tokens(N: int, d_model: int, d_ff: int, batch: int = 1) -> Witness:
    """Feed-forward over a sequence."""
    return Witness(PositionWiseFeedForward(d_model, d_ff), (torch.zeros(batch, N, d_model),))


@layer_witness("token_embedding")
def token_embedding(V: int, d_model: int) -> Witness:
    """The vector of one word."""
    return Witness(nn.Embedding(V, d_model), (torch.zeros(1, 1, dtype=torch.long),))


@layer_witness("positional_encoding")
def positional_encoding(N: int, d_model: int) -> Witness:
    """The sinusoids of a sequence."""
    return Witness(PositionalEncoding(), (torch.zeros(1, N, d_model),))


@layer_witness("vocabulary")
def vocabulary(N: int, d_model: int, V: int, batch: int = 1) -> Witness:
    """Scores of every word for each token."""
    return Witness(nn.Linear(d_model, V, bias=False), (torch.zeros(batch, N, d_model),))
