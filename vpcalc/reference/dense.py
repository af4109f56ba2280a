"""Necks and heads of dense prediction, written from their papers and as mmdetection and mmsegmentation run them.

They take the maps of a backbone, (batch, C, h, w), finest first.
"""

from __future__ import annotations

from collections.abc import Sequence

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
