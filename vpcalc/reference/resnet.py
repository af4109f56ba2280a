"""ResNet, written from He et al. 2016; v1.5 moves the stride of a bottleneck to its 3 x 3 convolution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .convolution import ResidualBlock, basic, bottleneck, conv_norm
from .embedding import classifier
from .registry import Witness, model_witness, pyramid_witness


def stem(C: int, deep: bool = False) -> nn.Sequential:
    """7 x 7 convolution, or three of 3 x 3 (He et al. 2019, Fig. 2b), and max pooling."""
    opening: tuple[nn.Module, ...] = (conv_norm(3, C, 7, 2), nn.ReLU())
    if deep:
        half = C // 2
        widths = ((3, half, 2), (half, half, 1), (half, C, 1))
        opening = tuple(part for c_in, c_out, s in widths for part in (conv_norm(c_in, c_out, 3, s), nn.ReLU()))
    return nn.Sequential(*opening, nn.MaxPool2d(3, stride=2, padding=1))


def residual_stages(
    C: int, depths: tuple[int, ...], block: str, version: str, shortcut: str, widen: int = 1, groups: int = 1
) -> tuple[list[nn.Sequential], list[int]]:
    """The stages of Table 1 and the channels that each puts out."""
    stages, channels = [], []
    c_in = C
    for stage, depth in enumerate(depths):
        inner = C * 2**stage
        c_out = 4 * inner if block == "bottleneck" else inner
        blocks: list[ResidualBlock] = []
        for number in range(depth):
            stride = 2 if stage > 0 and number == 0 else 1
            changes = stride == 2 or c_in != c_out
            project = shortcut == "C" or (shortcut == "B" and changes)
            if block == "bottleneck":
                blocks.append(bottleneck(c_in, inner, stride, project, version == "v1", widen, groups))
            else:
                blocks.append(basic(c_in, inner, stride, project))
            c_in = c_out
        stages.append(nn.Sequential(*blocks))
        channels.append(c_out)
    return stages, channels


class ResNet(nn.Module):
    """Image (batch, 3, H, W) of any size to (batch, classes)."""

    def __init__(
        self, C: int, depths: tuple[int, ...], classes: int, deep_stem: bool = False, **settings: Any
    ) -> None:
        super().__init__()
        self.stem = stem(C, deep_stem)
        stages, channels = residual_stages(C, depths, **settings)
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = classifier(channels[-1], classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.fc(self.pool(self.stages(self.stem(image))).flatten(1))


class ResNetPyramid(nn.Module):
    """Image (batch, 3, H, W) to the maps of the stages from the ``first`` on, finest first."""

    def __init__(
        self, first: int, C: int, depths: tuple[int, ...], deep_stem: bool = False, **settings: Any
    ) -> None:
        super().__init__()
        self.stem = stem(C, deep_stem)
        stages, channels = residual_stages(C, depths, **settings)
        self.first, self.channels = first, channels[first:]
        self.stages = nn.ModuleList(stages)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        x = self.stem(image)
        maps = []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number >= self.first:
                maps.append(x)
        return tuple(maps)


@pyramid_witness("resnet")
def resnet_pyramid(sizes: tuple[int, int], settings: Mapping[str, Any], first: int) -> nn.Module:
    """The maps of ResNet's stages."""
    return ResNetPyramid(first, **settings)


@model_witness("resnet")
def resnet(sizes: tuple[int, int], config: Mapping[str, Any], batch: int = 1) -> Witness:
    """ResNet for one image size."""
    return Witness(ResNet(**config), (torch.zeros(batch, 3, *sizes),))
