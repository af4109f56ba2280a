"""ConvNeXt, written from Liu et al. 2022 (Figure 4 and appendix) and the conventions of its authors' code."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from .embedding import PatchEmbedding, classifier
from .feedforward import FeedForward
from .registry import Witness, model_witness, pyramid_witness
from .swin import NormedStages


class Downsampling(nn.Module):
    """(batch, h, w, C) to (batch, h // 2, w // 2, 2C): layer norm and a 2 x 2 convolution of stride 2."""

    def __init__(self, C: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(C)
        self.conv = nn.Conv2d(C, 2 * C, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.norm(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class ConvNeXtBlock(nn.Module):
    """(batch, h, w, C) to the same, with a scale for each channel and a residual."""

    def __init__(self, C: int, k: int, r: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(C, C, k, padding=k // 2, groups=C)
        self.norm = nn.LayerNorm(C)
        self.ffn = FeedForward(C, r * C)
        self.scale = nn.Parameter(torch.full((C,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        y = self.depthwise(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        y = self.ffn(self.norm(y))
        return x + y * self.scale


def convnext_stages(C: int, depths: tuple[int, ...], k: int, P: int, r: int) -> list[list[nn.Module]]:
    """The modules of each stage."""
    stages: list[list[nn.Module]] = []
    for stage, depth in enumerate(depths):
        opens = Downsampling(C) if stage else PatchEmbedding(C, P, norm=True)
        C = 2 * C if stage else C
        stages.append([opens, *(ConvNeXtBlock(C, k, r) for _ in range(depth))])
    return stages


class ConvNeXt(nn.Module):
    """Image (batch, 3, H, W) of any size to (batch, classes)."""

    def __init__(self, C: int, depths: tuple[int, ...], classes: int, **settings: Any) -> None:
        super().__init__()
        self.stages = nn.Sequential(*chain(*convnext_stages(C, depths, **settings)))
        width = C * 2 ** (len(depths) - 1)
        self.norm = nn.LayerNorm(width)
        self.head = classifier(width, classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.norm(self.stages(image).mean(dim=(1, 2))))


@pyramid_witness("convnext")
def convnext_pyramid(sizes: tuple[int, int], settings: Mapping[str, Any], first: int) -> nn.Module:
    """ConvNeXt's maps, each with a norm."""
    return NormedStages(convnext_stages(**settings), settings["C"], first)


@model_witness("convnext")
def convnext(sizes: tuple[int, int], config: Mapping[str, Any], batch: int = 1) -> Witness:
    """ConvNeXt for one image size."""
    return Witness(ConvNeXt(**config), (torch.zeros(batch, 3, *sizes),))
