"""Pyramid Vision Transformer v2, written from Wang et al. 2022 and the conventions of its authors' code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .embedding import classifier
from .pvt import ChannelsFirst
from .reduction import LinearSpatialReductionAttention, SpatialReductionAttention
from .registry import Witness, layer_witness, model_witness, pyramid_witness


class OverlapPatchEmbedding(nn.Module):
    """Image (batch, c, H, W) to grid (batch, h, w, C): kernel 2s - 1, stride s, padding s - 1 (§3.3)."""

    def __init__(self, channels: int, C: int, s: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, C, kernel_size=2 * s - 1, stride=s, padding=s - 1)
        self.norm = nn.LayerNorm(C)

    def forward(self, image: Tensor) -> Tensor:
        return self.norm(self.proj(image).permute(0, 2, 3, 1))


class ConvolutionalFeedForward(nn.Module):
    """(batch, h, w, C) to the same through ``hidden`` channels, a 3 x 3 depth-wise convolution and GELU (§3.4).

    ``relu`` adds one before the convolution, as in the linear variant of the authors' code.
    """

    def __init__(self, C: int, hidden: int, relu: bool = False) -> None:
        super().__init__()
        self.relu = relu
        self.fc1 = nn.Linear(C, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, kernel_size=3, padding=1, groups=hidden)
        self.fc2 = nn.Linear(hidden, C)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc1(x)
        if self.relu:
            x = F.relu(x)
        x = self.depthwise(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return self.fc2(F.gelu(x))


class PVTv2Block(nn.Module):
    """Pre-norm attention and feed-forward on (batch, h, w, C), each with a residual."""

    def __init__(self, C: int, attention: nn.Module, hidden: int, relu: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(C)
        self.attention = attention
        self.norm2 = nn.LayerNorm(C)
        self.ffn = ConvolutionalFeedForward(C, hidden, relu)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.ffn(self.norm2(x))


class PVTv2Stage(nn.Module):
    """Overlapping patches, blocks, a norm: (batch, c, H, W) to (batch, h, w, C)."""

    def __init__(
        self, channels: int, C: int, depth: int, heads: int, R: int, r: int, S: int, linear: bool, P: int
    ) -> None:
        super().__init__()

        def attention() -> nn.Module:
            if linear:
                return LinearSpatialReductionAttention(C, heads, P)
            return SpatialReductionAttention(C, heads, R)

        self.patches = OverlapPatchEmbedding(channels, C, S)
        self.blocks = nn.Sequential(*(PVTv2Block(C, attention(), r * C, relu=linear) for _ in range(depth)))
        self.norm = nn.LayerNorm(C)

    def forward(self, image: Tensor) -> Tensor:
        return self.norm(self.blocks(self.patches(image)))


def pvt_v2_stages(
    C: tuple[int, ...],
    depths: tuple[int, ...],
    heads: tuple[int, ...],
    R: tuple[int, ...],
    r: tuple[int, ...],
    S: tuple[int, ...],
    linear: bool,
    P: int,
) -> nn.ModuleList:
    """The stages."""
    return nn.ModuleList(
        PVTv2Stage(channels, c, depth, a, ratio, expansion, stride, linear, P)
        for channels, c, depth, a, ratio, expansion, stride in zip(
            (3, *C[:-1]), C, depths, heads, R, r, S, strict=True
        )
    )


class PVTv2(nn.Module):
    """Image (batch, 3, H, W) of any size to (batch, classes)."""

    def __init__(self, C: tuple[int, ...], classes: int, **settings: Any) -> None:
        super().__init__()
        self.stages = pvt_v2_stages(C, **settings)
        self.head = classifier(C[-1], classes)

    def forward(self, image: Tensor) -> Tensor:
        for stage in self.stages:
            image = stage(image).permute(0, 3, 1, 2)
        return self.head(image.mean(dim=(2, 3)))


@pyramid_witness("pvt_v2")
def pvt_v2_pyramid(sizes: tuple[int, int], settings: Mapping[str, Any], first: int) -> nn.Module:
    """PVT v2's maps."""
    return ChannelsFirst(pvt_v2_stages(**settings), settings["C"], first)


@model_witness("pvt_v2")
def pvt_v2(sizes: tuple[int, int], config: Mapping[str, Any], batch: int = 1) -> Witness:
    """PVT v2 on one image size."""
    return Witness(PVTv2(**config), (torch.zeros(batch, 3, *sizes),))


@layer_witness("overlap_patch_embedding")
def overlap_patch_embedding(H: int, W: int, C: int, s: int, batch: int = 1) -> Witness:
    """A colour image to a grid."""
    return Witness(OverlapPatchEmbedding(3, C, s), (torch.zeros(batch, 3, H, W),))


@layer_witness("conv_ffn")
def conv_ffn(h: int, w: int, C: int, r: int, batch: int = 1) -> Witness:
    """Feed-forward on a grid."""
    return Witness(ConvolutionalFeedForward(C, r * C), (torch.zeros(batch, h, w, C),))
