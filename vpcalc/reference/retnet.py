"""RetNet, written from Sun et al. 2023; padding to whole chunks as its authors' code places it.

Other widths, the gated feed-forward, norms by the root mean square and a projection that is not tied are those of
that code (microsoft/torchscale since October 2023, ``RetNetDecoder``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from .feedforward import FeedForward
from .registry import Witness, model_witness
from .retention import Retention, pad
from .transformer import GatedFeedForward, ScaleNorm


def trained_decays(heads: int) -> Tensor:
    """The decays of the paper's experiments, 1 - exp(linspace(log 1/32, log 1/512, heads)) (§3.1)."""
    return 1 - torch.linspace(math.log(1 / 32), math.log(1 / 512), heads).exp()


NORMS: dict[str, type[nn.Module]] = {"layer": nn.LayerNorm, "rms": ScaleNorm}


class RetNetBlock(nn.Module):
    """Pre-norm retention and feed-forward, each with a residual (eq. 9 and 10); products without bias."""

    def __init__(
        self, d_model: int, heads: int, form: str, chunk: int, value_width: int, d_ff: int, gated: bool, norm: str
    ) -> None:
        super().__init__()
        hidden = d_ff or 2 * d_model
        self.norm1 = NORMS[norm](d_model)
        self.retention = Retention(d_model, heads, form, chunk, trained_decays(heads), value_width, norm)
        self.norm2 = NORMS[norm](d_model)
        self.ffn: nn.Module
        if gated:
            self.ffn = GatedFeedForward(d_model, hidden, swish=True)
        else:
            self.ffn = FeedForward(d_model, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.retention(self.norm1(x))
        return x + self.ffn(self.norm2(x))


class RetNet(nn.Module):
    """Words (batch, n) to scores (batch, n, vocab), or without ``head`` to features (batch, n, d_model)."""

    def __init__(
        self,
        d_model: int,
        layers: int,
        heads: int,
        vocab: int,
        form: str,
        chunk: int,
        head: bool,
        value_width: int = 0,
        d_ff: int = 0,
        gated: bool = False,
        norm: str = "layer",
        tied: bool = True,
    ) -> None:
        super().__init__()
        self.form, self.chunk = form, chunk
        self.words = nn.Embedding(vocab, d_model)
        block = partial(RetNetBlock, d_model, heads, form, chunk, value_width, d_ff, gated, norm)
        self.blocks = nn.Sequential(*(block() for _ in range(layers)))
        self.norm = NORMS[norm](d_model)
        self.head = nn.Linear(d_model, vocab, bias=False) if head else None
        if self.head is not None and tied:
            self.head.weight = self.words.weight

    def forward(self, words: Tensor) -> Tensor:
        x = self.words(words)
        if self.form == "chunkwise":
            x = pad(x, self.chunk)
        x = self.blocks(x)[:, : words.shape[1]]
        x = self.norm(x)
        return x if self.head is None else self.head(x)


@model_witness("retnet")
def retnet(sizes: tuple[int], config: Mapping[str, Any], batch: int = 1) -> Witness:
    """RetNet on N words."""
    return Witness(RetNet(**config), (torch.zeros(batch, *sizes, dtype=torch.long),))
