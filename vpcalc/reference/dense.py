"""Necks and heads of dense prediction, written from their papers and as mmdetection and mmsegmentation run them.

They take the maps of a backbone, (batch, C, h, w), finest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .convolution import conv_norm, resize

Maps = tuple[Tensor, ...]


def size_of(x: Tensor) -> tuple[int, int]:
    """Height and width of a map or an image."""
    return int(x.shape[2]), int(x.shape[3])


class FeaturePyramid(nn.Module):
    """Maps of any channels to maps of ``width`` (Lin et al. 2017, Figure 3), and ``more`` made of the last one."""

    def __init__(self, channels: Sequence[int], width: int, more: int = 0) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.outputs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in channels)
        self.more = nn.ModuleList(
            nn.Conv2d(width if number else channels[-1], width, 3, stride=2, padding=1) for number in range(more)
        )

    def forward(self, maps: Maps) -> Maps:
        laterals = [lateral(x) for lateral, x in zip(self.laterals, maps, strict=True)]
        for level in range(len(maps) - 1, 0, -1):
            size = size_of(laterals[level - 1])
            laterals[level - 1] = laterals[level - 1] + F.interpolate(laterals[level], size=size)
        found = [output(x) for output, x in zip(self.outputs, laterals, strict=True)]
        x = maps[-1]
        for conv in self.more:
            x = conv(x)
            found.append(x)
        return tuple(found)


class Doubled(nn.Module):
    """A map of twice the height and width, bilinearly."""

    def forward(self, x: Tensor) -> Tensor:
        h, w = size_of(x)
        return resize(x, (2 * h, 2 * w))


class SummedScores(nn.Module):
    """The head of Semantic FPN (Kirillov et al. 2019, Figure 3): maps of one width to scores of a size."""

    def __init__(self, levels: int, width: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        for level in range(levels):
            steps: list[nn.Module] = []
            for number in range(max(level, 1)):
                steps += [conv_norm(hidden if number else width, hidden, 3), nn.ReLU()]
                steps += [Doubled()] if level else []
            self.levels.append(nn.Sequential(*steps))
        self.classify = nn.Conv2d(hidden, classes, 1)

    def forward(self, maps: Maps, size: tuple[int, int]) -> Tensor:
        total = self.levels[0](maps[0])
        for level in range(1, len(maps)):
            y = self.levels[level](maps[level])
            total = total + resize(y, size_of(total))
        return resize(self.classify(total), size)


class UnifiedScores(nn.Module):
    """The head of UperNet (Xiao et al. 2018, Figure 4): the maps of a backbone to scores of a size."""

    def __init__(self, channels: Sequence[int], width: int, scales: tuple[int, ...], classes: int) -> None:
        super().__init__()
        *lower, top = channels
        self.laterals = nn.ModuleList(nn.Sequential(conv_norm(c, width, 1), nn.ReLU()) for c in lower)
        self.pooled = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(scale), conv_norm(top, width, 1), nn.ReLU()) for scale in scales
        )
        self.context = nn.Sequential(conv_norm(top + len(scales) * width, width, 3), nn.ReLU())
        self.outputs = nn.ModuleList(nn.Sequential(conv_norm(width, width, 3), nn.ReLU()) for _ in lower)
        self.fuse = nn.Sequential(conv_norm(len(channels) * width, width, 3), nn.ReLU())
        self.classify = nn.Conv2d(width, classes, 1)

    def forward(self, maps: Maps, size: tuple[int, int]) -> Tensor:
        *lower, top = maps
        laterals = [lateral(x) for lateral, x in zip(self.laterals, lower, strict=True)]
        laterals.append(self.pool(top))
        for level in range(len(lower), 0, -1):
            laterals[level - 1] = laterals[level - 1] + resize(laterals[level], size_of(laterals[level - 1]))
        outputs = [output(x) for output, x in zip(self.outputs, laterals[:-1], strict=True)]
        outputs.append(laterals[-1])
        for level in range(len(lower), 0, -1):
            outputs[level] = resize(outputs[level], size_of(outputs[0]))
        x = self.fuse(torch.cat(outputs, dim=1))
        return resize(self.classify(x), size)

    def pool(self, x: Tensor) -> Tensor:
        """The last map and what it is on average on each grid (Zhao et al. 2017, Figure 3)."""
        size = size_of(x)
        found = [x, *(resize(pool(x), size) for pool in self.pooled)]
        return self.context(torch.cat(found, dim=1))


class AuxiliaryScores(nn.Module):
    """A convolution and a classifier on one map."""

    def __init__(self, c_in: int, width: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(conv_norm(c_in, width, 3), nn.ReLU())
        self.classify = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        body = self.body(x)
        return resize(self.classify(body), size)


class BoxScores(nn.Module):
    """The head of RetinaNet (Lin et al. 2017, Figure 3): two towers that all maps share."""

    def __init__(self, width: int, depth: int, classes: int, boxes: int) -> None:
        super().__init__()
        self.classes = tower(width, depth, classes)
        self.boxes = tower(width, depth, boxes)

    def forward(self, maps: Maps) -> Maps:
        found: list[Tensor] = []
        for x in maps:
            found += [self.classes(x), self.boxes(x)]
        return tuple(found)


def tower(width: int, depth: int, outputs: int) -> nn.Sequential:
    """Convolutions of 3 x 3 with ReLU, and a last one to the outputs."""
    inner = [(nn.Conv2d(width, width, 3, padding=1), nn.ReLU()) for _ in range(depth)]
    return nn.Sequential(*chain(*inner), nn.Conv2d(width, outputs, 3, padding=1))
