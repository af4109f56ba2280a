"""Pyramid Vision Transformer, written from Wang et al. 2021 and the conventions of its authors' code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .embedding import ClassToken, PatchEmbedding, ResizedPositions, classifier
from .feedforward import FeedForward
from .reduction import SpatialReductionAttention
from .registry import Witness, model_witness, pyramid_witness


class PVTBlock(nn.Module):
    """Pre-norm spatial-reduction attention and feed-forward on (batch, h, w, C), each with a residual."""

    def __init__(self, C: int, heads: int, R: int, r: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(C)
        self.attention = SpatialReductionAttention(C, heads, R)
        self.norm2 = nn.LayerNorm(C)
        self.ffn = FeedForward(C, r * C)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.ffn(self.norm2(x))


class PVTStage(nn.Module):
    """Patches, positions made for one grid, and blocks; in the last stage a class token goes first.

    (batch, c, H, W) to (batch, h, w, C), or to (batch, hw + 1, 1, C) where there is a class token.
    """

    def __init__(
        self,
        table: tuple[int, int],
        channels: int,
        C: int,
        depth: int,
        heads: int,
        R: int,
        r: int,
        P: int,
        last: bool,
    ) -> None:
        super().__init__()
        self.patches = PatchEmbedding(C, P, channels, norm=True)
        self.class_token = ClassToken(C) if last else None
        self.positions = ResizedPositions(table, C, first=1 if last else 0)
        self.blocks = nn.Sequential(*(PVTBlock(C, heads, R, r) for _ in range(depth)))

    def forward(self, image: Tensor) -> Tensor:
        x = self.patches(image)
        grid = (int(x.shape[1]), int(x.shape[2]))
        tokens = x.flatten(1, 2)
        if self.class_token is not None:
            x = self.positions(self.class_token(tokens), grid).unsqueeze(2)
        else:
            x = self.positions(tokens, grid).reshape(x.shape)
        return self.blocks(x)


def pvt_stages(
    C: tuple[int, ...],
    depths: tuple[int, ...],
    heads: tuple[int, ...],
    R: tuple[int, ...],
    r: tuple[int, ...],
    P: tuple[int, ...],
    trained_at: tuple[int, int],
    classifies: bool = False,
) -> nn.ModuleList:
    """The stages; where it ``classifies`` the last one has a class token."""
    stages = nn.ModuleList()
    h, w = trained_at
    for stage, (channels, c) in enumerate(zip((3, *C[:-1]), C, strict=True)):
        h, w = h // P[stage], w // P[stage]
        last = classifies and stage == len(C) - 1
        stages.append(
            PVTStage((h, w), channels, c, depths[stage], heads[stage], R[stage], r[stage], P[stage], last)
        )
    return stages


class PVT(nn.Module):
    """Image (batch, 3, H, W) to (batch, classes), with positions of an image of ``trained_at`` (Figure 3)."""

    def __init__(self, C: tuple[int, ...], classes: int, **settings: Any) -> None:
        super().__init__()
        self.stages = pvt_stages(C, classifies=True, **settings)
        self.norm = nn.LayerNorm(C[-1])
        self.head = classifier(C[-1], classes)

    def forward(self, image: Tensor) -> Tensor:
        *stages, last = self.stages
        for stage in stages:
            image = stage(image).permute(0, 3, 1, 2)
        image = last(image)
        return self.head(self.norm(image)[:, 0, 0])


class ChannelsFirst(nn.Module):
    """Image to what each of its stages makes of the map before it, (batch, h, w, C) as (batch, C, h, w)."""

    def __init__(self, stages: nn.ModuleList, channels: tuple[int, ...], first: int) -> None:
        super().__init__()
        self.stages = stages
        self.first, self.channels = first, channels[first:]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        maps = []
        for number, stage in enumerate(self.stages):
            image = stage(image).permute(0, 3, 1, 2)
            if number >= self.first:
                maps.append(image)
        return tuple(maps)


@pyramid_witness("pvt")
def pvt_pyramid(sizes: tuple[int, int], settings: Mapping[str, Any], first: int) -> nn.Module:
    """PVT's maps, without class token and norm."""
    return ChannelsFirst(pvt_stages(**settings), settings["C"], first)


@model_witness("pvt")
def pvt(sizes: tuple[int, int], config: Mapping[str, Any], batch: int = 1) -> Witness:
    """PVT for one image size."""
    return Witness(PVT(**config), (torch.zeros(batch, 3, *sizes),))
