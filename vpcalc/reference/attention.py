"""Multi-head self-attention (Vaswani et al. 2017, §3.2; as in ViT and Swin)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .feedforward import FeedForward
from .registry import Witness, layer_witness


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(batch, n, C) to (batch, heads, n, C/heads)."""
    batch, n, width = x.shape
    return x.reshape(batch, n, heads, width // heads).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(batch, heads, n, d) to (batch, n, heads * d)."""
    batch, heads, n, d = x.shape
    return x.transpose(1, 2).reshape(batch, n, heads * d)


_way: ContextVar[str] = ContextVar("way", default="eager")


@contextmanager
def attending(way: str) -> Iterator[None]:
    """Within it, :func:`attend` goes another way: the same result, and other tensors are kept.

    ``eager`` are plain products, ``fused`` is PyTorch's operator, and what is ``recomputed`` is forgotten.
    """
    token = _way.set(way)
    try:
        yield
    finally:
        _way.reset(token)


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    bias: Tensor | None = None,
    scaled: bool = True,
    temperature: Tensor | None = None,
) -> Tensor:
    """softmax(q kᵀ/√d + bias) v on (batch, heads, n, d); without the √d where not ``scaled``.

    Scores are multiplied by a ``temperature``, where there is one.
    """
    if _way.get() == "fused":
        q = q if temperature is None else q * temperature
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=None if scaled else 1.0)
    if _way.get() == "recomputed" and torch.is_grad_enabled():
        recomputed: Tensor = checkpoint(_attend, q, k, v, bias, scaled, temperature, use_reentrant=True)
        return recomputed
    return _attend(q, k, v, bias, scaled, temperature)


def _attend(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scaled: bool, temperature: Tensor | None
) -> Tensor:
    scores = (q * q.shape[-1] ** -0.5 if scaled else q) @ k.transpose(-2, -1)
    if temperature is not None:
        scores = scores * temperature
    if bias is not None:
        scores = scores + bias
    return scores.softmax(dim=-1) @ v


class SelfAttention(nn.Module):
    """(batch, n, C) to (batch, n, C), projections with bias."""

    def __init__(self, C: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(C, 3 * C)
        self.proj = nn.Linear(C, C)

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        return self.proj(merge_heads(attend(q, k, v, bias)))


class AttentionPooling(nn.Module):
    """(batch, n, C) to (batch, C): one learned query attends to all tokens, and a feed-forward is added.

    Multihead attention pooling (MAP) of Zhai et al. 2022 (Scaling Vision Transformers), as in SigLIP.
    """

    def __init__(self, C: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.probe = nn.Parameter(torch.zeros(1, 1, C))
        self.q = nn.Linear(C, C)
        self.kv = nn.Linear(C, 2 * C)
        self.proj = nn.Linear(C, C)
        self.norm = nn.LayerNorm(C)
        self.ffn = FeedForward(C, hidden)

    def forward(self, x: Tensor) -> Tensor:
        probe = self.probe.expand(x.shape[0], -1, -1)
        q = split_heads(self.q(probe), self.heads)
        k, v = (split_heads(part, self.heads) for part in self.kv(x).chunk(2, dim=-1))
        pooled = self.proj(merge_heads(attend(q, k, v)))
        return (pooled + self.ffn(self.norm(pooled)))[:, 0]


@layer_witness("msa")
def msa(h: int, w: int, C: int, heads: int, batch: int = 1) -> Witness:
    """Self-attention over the flattened grid."""
    return Witness(SelfAttention(C, heads), (torch.zeros(batch, h * w, C),))


class AxialAttention(nn.Module):
    """(batch, h, w, C) to the same: along the rows, then along the columns."""

    def __init__(self, C: int, heads: int) -> None:
        super().__init__()
        self.rows = SelfAttention(C, heads)
        self.columns = SelfAttention(C, heads)

    def forward(self, x: Tensor) -> Tensor:
        batch, h, w, C = x.shape
        x = self.rows(x.reshape(batch * h, w, C)).reshape(batch, h, w, C)
        x = x.transpose(1, 2).reshape(batch * w, h, C)
        return self.columns(x).reshape(batch, w, h, C).transpose(1, 2)


@layer_witness("axial")
def axial(h: int, w: int, C: int, heads: int, batch: int = 1) -> Witness:
    """Axial attention on a grid."""
    return Witness(AxialAttention(C, heads), (torch.zeros(batch, h, w, C),))
