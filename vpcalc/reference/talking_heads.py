"""Talking-heads attention (Shazeer et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .attention import merge_heads, split_heads
from .registry import Witness, layer_witness


class TalkingHeadsAttention(nn.Module):
    """(batch, n, C) to the same: heads are mixed before the softmax and after it."""

    def __init__(self, C: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(C, 3 * C)
        self.logits = nn.Linear(heads, heads, bias=False)
        self.weights = nn.Linear(heads, heads, bias=False)
        self.proj = nn.Linear(C, C)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
        scores = self.logits(scores.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).softmax(dim=-1)
        scores = self.weights(scores.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self.proj(merge_heads(scores @ v))


@layer_witness("talking_heads")
def talking_heads(h: int, w: int, C: int, heads: int, batch: int = 1) -> Witness:
    """Talking-heads attention over the flattened grid."""
    return Witness(TalkingHeadsAttention(C, heads), (torch.zeros(batch, h * w, C),))
