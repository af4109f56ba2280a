"""Swin Transformer, written from Liu et al. 2021 and the conventions of its authors' code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..inputs import GridTerm, on_grid
from .embedding import PatchEmbedding, PatchMerging, classifier
from .feedforward import FeedForward
from .registry import Witness, model_witness
from .windows import WindowAttention


class SwinBlock(nn.Module):
    """Pre-norm window attention and feed-forward, each with a residual (Figure 3b)."""

    def __init__(self, h: int, w: int, C: int, heads: int, M: int, r: int, shift: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(C)
        self.attention = WindowAttention(h, w, C, heads, M, shift)
        self.norm2 = nn.LayerNorm(C)
        self.ffn = FeedForward(C, r * C)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.ffn(self.norm2(x))


class Swin(nn.Module):
    """Image (batch, 3, H, W) to (batch, classes), made for one input size.

    M may be a term of each stage's grid, such as ``h/8``.
    """

    def __init__(
        self,
        H: int,
        W: int,
        C: int,
        depths: tuple[int, ...],
        heads: tuple[int, ...],
        M: int | GridTerm,
        P: int,
        r: int,
        classes: int,
    ) -> None:
        super().__init__()
        h, w = -(-H // P), -(-W // P)
        stages: list[nn.Module] = [PatchEmbedding(C, P, norm=True, pads=True)]
        for stage, (depth, a) in enumerate(zip(depths, heads, strict=True)):
            if stage:
                stages.append(PatchMerging(C))
                h, w, C = (h + 1) // 2, (w + 1) // 2, 2 * C
            window = on_grid("M", M, h, w)
            stages += [SwinBlock(h, w, C, a, window, r, shift=block % 2 == 1) for block in range(depth)]
        self.stages = nn.Sequential(*stages)
        self.norm = nn.LayerNorm(C)
        self.head = classifier(C, classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.norm(self.stages(image)).mean(dim=(1, 2)))


@model_witness("swin")
def swin(sizes: tuple[int, int], config: Mapping[str, Any], batch: int = 1) -> Witness:
    """Swin for one image size."""
    return Witness(Swin(*sizes, **config), (torch.zeros(batch, 3, *sizes),))
