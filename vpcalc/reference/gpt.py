"""The Transformer layer whose memory Korthikanti et al. 2022 (arXiv 2205.05198) add up: GPT's, with dropout."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import merge_heads, split_heads


class Dropout(nn.Module):
    """Dropout as a GPU's fused operator does it: its mask has one byte an element."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.native_dropout(x, 0.1, self.training)[0]


class GPTAttention(nn.Module):
    """(batch, n, C) to the same; dropout on the map and on the result (Figure 3)."""

    def __init__(self, C: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(C, 3 * C)
        self.dropped_map = Dropout()
        self.proj = nn.Linear(C, C)
        self.dropped = Dropout()

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        return self.dropped(self.proj(merge_heads(self.core(q, k, v))))

    def core(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """The part that is quadratic in the tokens, which selective recomputation leaves out."""
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
        return self.dropped_map(scores.softmax(dim=-1)) @ v


class GPTFeedForward(nn.Module):
    """(batch, n, C) to the same through 4C channels; dropout on the result."""

    def __init__(self, C: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(C, 4 * C)
        self.fc2 = nn.Linear(4 * C, C)
        self.dropped = Dropout()

    def forward(self, x: Tensor) -> Tensor:
        return self.dropped(self.fc2(F.gelu(self.fc1(x))))


class GPTLayer(nn.Module):
    """Pre-norm attention and feed-forward, each with a residual (Figure 2)."""

    def __init__(self, C: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(C)
        self.attention = GPTAttention(C, heads)
        self.norm2 = nn.LayerNorm(C)
        self.ffn = GPTFeedForward(C)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.ffn(self.norm2(x))


def stack(layers: int, C: int, heads: int) -> nn.Sequential:
    """Several layers; the paper's figures are for each of them."""
    return nn.Sequential(*(GPTLayer(C, heads) for _ in range(layers)))
