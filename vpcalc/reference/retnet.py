"""RetNet, written from Sun et al. 2023; padding to whole chunks as its authors' code places it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .registry import Witness, model_witness
from .retention import Retention, pad


def trained_decays(heads: int) -> Tensor:
    """The decays of the paper's experiments, 1 - exp(linspace(log 1/32, log 1/512, heads)) (§3.1)."""
    return 1 - torch.linspace(math.log(1 / 32), math.log(1 / 512), heads).exp()


class RetNetBlock(nn.Module):
    """Pre-norm retention and feed-forward, each with a residual (eq. 9 and 10); products without bias."""

    def __init__(self, d_model: int, heads: int, form: str, chunk: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(d_model)
        self.retention = Retention(d_model, heads, form, chunk, trained_decays(heads))
        self.norm2 = nn.LayerNorm(d_model)
        self.fc1 = nn.Linear(d_model, 2 * d_model, bias=False)
        self.fc2 = nn.Linear(2 * d_model, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.retention(self.norm1(x))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class RetNet(nn.Module):
    """Words (batch, n) to scores (batch, n, vocab), or without ``head`` to features (batch, n, d_model)."""

    def __init__(
        self, d_model: int, layers: int, heads: int, vocab: int, form: str, chunk: int, head: bool
    ) -> None:
        super().__init__()
        self.form, self.chunk, self.head = form, chunk, head
        self.words = nn.Embedding(vocab, d_model)
        self.blocks = nn.Sequential(*(RetNetBlock(d_model, heads, form, chunk) for _ in range(layers)))
        self.norm = nn.LayerNorm(d_model)

    def forward(self, words: Tensor) -> Tensor:
        x = self.words(words)
        if self.form == "chunkwise":
            x = pad(x, self.chunk)
        x = self.blocks(x)[:, : words.shape[1]]
        x = self.norm(x)
        return F.linear(x, self.words.weight) if self.head else x


@model_witness("retnet")
def retnet(sizes: tuple[int], config: Mapping[str, Any], batch: int = 1) -> Witness:
    """RetNet on N words."""
    return Witness(RetNet(**config), (torch.zeros(batch, *sizes, dtype=torch.long),))
