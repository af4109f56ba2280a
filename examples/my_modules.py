"""The module of PyTorch on which what my_layers.py describes is counted."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vpcalc.reference import Witness, layer_witness
from vpcalc.reference.attention import attend, merge_heads, split_heads


class MultiQueryAttention(nn.Module):
    """(batch, n, C) to the same: all heads of queries share one head of keys and values."""

    def __init__(self, C: int, heads: int) -> None:
        super().__init__()
        self.heads, d = heads, C // heads
        self.q, self.k, self.v = nn.Linear(C, C), nn.Linear(C, d), nn.Linear(C, d)
        self.proj = nn.Linear(C, C)

    def forward(self, x: Tensor) -> Tensor:
        """All queries of all heads attend to the same keys."""
        batch, n, C = x.shape
        d = C // self.heads
        q = split_heads(self.q(x), self.heads).reshape(batch, 1, self.heads * n, d)
        k, v = (project(x).reshape(batch, 1, n, d) for project in (self.k, self.v))
        return self.proj(merge_heads(attend(q, k, v).reshape(batch, self.heads, n, d)))


@layer_witness("mqa")
def mqa(h: int, w: int, C: int, heads: int, batch: int = 1) -> Witness:
    """Multi-query attention over the flattened grid."""
    return Witness(MultiQueryAttention(C, heads), (torch.zeros(batch, h * w, C),))
