"""Feed-forward layers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .registry import Witness, layer_witness


class FeedForward(nn.Module):
    """(batch, n, C) to the same through ``hidden`` channels and GELU."""

    def __init__(self, C: int, hidden: int, bias: bool = True) -> None:
        super().__init__()
        self.fc1 = nn.Linear(C, hidden, bias=bias)
        self.fc2 = nn.Linear(hidden, C, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


@layer_witness("ffn")
def ffn(h: int, w: int, C: int, r: int, batch: int = 1) -> Witness:
    """Feed-forward over the flattened grid."""
    return Witness(FeedForward(C, r * C), (torch.zeros(batch, h * w, C),))
