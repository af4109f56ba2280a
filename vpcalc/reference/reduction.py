"""Spatial-reduction attention (Wang et al. 2021, PVT, eq. 1-4) and its linear form (PVT v2, §3.1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attend, merge_heads, split_heads
from .registry import Witness, layer_witness


class _ReducedAttention(nn.Module):
    """Queries from every token, keys and values from what :meth:`reduce` leaves of the grid."""

    def __init__(self, C: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(C, C)
        self.kv = nn.Linear(C, 2 * C)
        self.proj = nn.Linear(C, C)

    def reduce(self, grid: Tensor) -> Tensor:
        """(batch, C, h, w) to (batch, keys, C)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        batch, h, w, C = x.shape
        q = split_heads(self.q(x.reshape(batch, h * w, C)), self.heads)
        k, v = self.kv(self.reduce(x.permute(0, 3, 1, 2))).chunk(2, dim=-1)
        x = merge_heads(attend(q, split_heads(k, self.heads), split_heads(v, self.heads)))
        return self.proj(x).reshape(batch, h, w, C)


class SpatialReductionAttention(_ReducedAttention):
    """(batch, h, w, C) to the same; keys and values from a grid reduced by a strided convolution."""

    def __init__(self, C: int, heads: int, R: int) -> None:
        super().__init__(C, heads)
        self.convolution = nn.Conv2d(C, C, kernel_size=R, stride=R) if R > 1 else None
        self.norm = nn.LayerNorm(C) if R > 1 else None

    def reduce(self, grid: Tensor) -> Tensor:
        if self.convolution is None or self.norm is None:
            return grid.flatten(2).transpose(1, 2)
        return self.norm(self.convolution(grid).flatten(2).transpose(1, 2))


class LinearSpatialReductionAttention(_ReducedAttention):
    """(batch, h, w, C) to the same; keys and values from a grid pooled to P x P."""

    def __init__(self, C: int, heads: int, P: int) -> None:
        super().__init__(C, heads)
        self.pool = nn.AdaptiveAvgPool2d(P)
        self.convolution = nn.Conv2d(C, C, kernel_size=1)
        self.norm = nn.LayerNorm(C)

    def reduce(self, grid: Tensor) -> Tensor:
        tokens = self.convolution(self.pool(grid)).flatten(2).transpose(1, 2)
        return F.gelu(self.norm(tokens))


@layer_witness("sra")
def sra(h: int, w: int, C: int, heads: int, R: int, batch: int = 1) -> Witness:
    """Reduction by a strided convolution."""
    return Witness(SpatialReductionAttention(C, heads, R), (torch.zeros(batch, h, w, C),))


@layer_witness("linear_sra")
def linear_sra(h: int, w: int, C: int, heads: int, P: int, batch: int = 1) -> Witness:
    """Reduction by pooling."""
    return Witness(LinearSpatialReductionAttention(C, heads, P), (torch.zeros(batch, h, w, C),))
