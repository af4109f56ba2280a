"""Linear attention (Katharopoulos et al. 2020), not causal."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import merge_heads, split_heads
from .registry import Witness, layer_witness


class LinearAttention(nn.Module):
    """(batch, n, C) to the same: each query weighs all keys by φ(q)·φ(k), summed before the query is known."""

    def __init__(self, C: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(C, 3 * C)
        self.proj = nn.Linear(C, C)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        q, k = F.elu(q) + 1, F.elu(k) + 1
        weights = (q * k.sum(dim=-2, keepdim=True)).sum(dim=-1, keepdim=True)
        return self.proj(merge_heads(q @ (k.transpose(-2, -1) @ v) / weights))


@layer_witness("linear_attention")
def linear_attention(h: int, w: int, C: int, heads: int, batch: int = 1) -> Witness:
    """Linear attention over the flattened grid."""
    return Witness(LinearAttention(C, heads), (torch.zeros(batch, h * w, C),))
