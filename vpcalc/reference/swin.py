"""Swin Transformer, written from Liu et al. 2021 and 2022 (V2) and the conventions of its authors' code."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate, chain
from typing import Any

import torch
from torch import Tensor, nn

from ..inputs import GridTerm, on_grid
from .embedding import PatchEmbedding, PatchMerging, classifier
from .feedforward import FeedForward
from .registry import Witness, model_witness, pyramid_witness
from .windows import CosineWindowAttention, WindowAttention


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


class SwinV2Block(nn.Module):
    """Window attention and feed-forward, each with a norm of its result and a residual (V2, Figure 1)."""

    def __init__(self, h: int, w: int, C: int, heads: int, M: int, r: int, shift: bool) -> None:
        super().__init__()
        self.attention = CosineWindowAttention(h, w, C, heads, M, shift)
        self.norm1 = nn.LayerNorm(C)
        self.ffn = FeedForward(C, r * C)
        self.norm2 = nn.LayerNorm(C)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.norm1(self.attention(x))
        return x + self.norm2(self.ffn(x))


def swin_stages(
    H: int,
    W: int,
    C: int,
    depths: tuple[int, ...],
    heads: tuple[int, ...],
    M: int | GridTerm,
    P: int,
    r: int,
    v2: bool = False,
) -> list[list[nn.Module]]:
    """The modules of each stage for one input size. M may be a term of each stage's grid, such as ``h/8``."""
    h, w = -(-H // P), -(-W // P)
    stages: list[list[nn.Module]] = []
    for depth, a in zip(depths, heads, strict=True):
        if stages:
            stages.append([PatchMerging(C, norm_last=v2)])
            h, w, C = (h + 1) // 2, (w + 1) // 2, 2 * C
        else:
            stages.append([PatchEmbedding(C, P, norm=True, pads=True)])
        window = on_grid("M", M, h, w)
        kind = SwinV2Block if v2 else SwinBlock
        stages[-1] += [kind(h, w, C, a, window, r, shift=block % 2 == 1) for block in range(depth)]
    return stages


class Swin(nn.Module):
    """Image (batch, 3, H, W) to (batch, classes), made for one input size."""

    def __init__(self, H: int, W: int, C: int, depths: tuple[int, ...], classes: int, **settings: Any) -> None:
        super().__init__()
        self.stages = nn.Sequential(*chain(*swin_stages(H, W, C, depths, **settings)))
        width = C * 2 ** (len(depths) - 1)
        self.norm = nn.LayerNorm(width)
        self.head = classifier(width, classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.norm(self.stages(image)).mean(dim=(1, 2)))


class NormedStages(nn.Module):
    """Image to the grids of stages that double their channels, C first, each through a norm: (batch, c, h, w)."""

    def __init__(self, stages: list[list[nn.Module]], C: int, first: int) -> None:
        super().__init__()
        self.channels = [C * 2**stage for stage in range(first, len(stages))]
        self.ends = list(accumulate(map(len, stages)))[first:]
        self.stages = nn.Sequential(*chain(*stages))
        self.norms = nn.ModuleList(map(nn.LayerNorm, self.channels))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        maps: list[Tensor] = []
        for number, module in enumerate(self.stages, start=1):
            x = module(x)
            if number in self.ends:
                maps.append(self.norms[len(maps)](x).permute(0, 3, 1, 2))
        return tuple(maps)


@pyramid_witness("swin")
def swin_pyramid(sizes: tuple[int, int], settings: Mapping[str, Any], first: int) -> nn.Module:
    """Swin's maps, each with a norm."""
    return NormedStages(swin_stages(*sizes, **settings), settings["C"], first)


@pyramid_witness("swin_v2")
def swin_v2_pyramid(sizes: tuple[int, int], settings: Mapping[str, Any], first: int) -> nn.Module:
    """Those of Swin V2."""
    return swin_pyramid(sizes, {**settings, "v2": True}, first)


@model_witness("swin")
def swin(sizes: tuple[int, int], config: Mapping[str, Any], batch: int = 1) -> Witness:
    """Swin for one image size."""
    return Witness(Swin(*sizes, **config), (torch.zeros(batch, 3, *sizes),))


@model_witness("swin_v2")
def swin_v2(sizes: tuple[int, int], config: Mapping[str, Any], batch: int = 1) -> Witness:
    """Swin V2 for one image size."""
    return swin(sizes, {**config, "v2": True}, batch)
