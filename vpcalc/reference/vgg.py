"""VGG, written from Simonyan and Zisserman 2015, with the adaptive pooling that today's modules have."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from .registry import Witness, model_witness


class VGG(nn.Module):
    """Image (batch, 3, H, W) to (batch, classes); without classes the pooled grid comes out."""

    def __init__(self, C: int, depths: tuple[int, ...], norm: bool, P: int, hidden: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        c_in = 3
        for stage, depth in enumerate(depths):
            c_out = C * min(2**stage, 8)
            for _ in range(depth):
                layers.append(nn.Conv2d(c_in, c_out, 3, padding=1))
                if norm:
                    layers.append(nn.BatchNorm2d(c_out))
                layers.append(nn.ReLU())
                c_in = c_out
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(P)
        widths = (P * P * c_in, hidden, hidden, classes) if classes else ()
        head: list[nn.Module] = []
        for narrow, wide in pairwise(widths):
            head += [nn.Linear(narrow, wide), nn.ReLU()]
        self.classifier = nn.Sequential(*head[:-1])

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.pool(self.features(image)).flatten(1))


@model_witness("vgg")
def vgg(sizes: tuple[int, int], config: Mapping[str, Any], batch: int = 1) -> Witness:
    """VGG for one image size."""
    return Witness(VGG(**config), (torch.zeros(batch, 3, *sizes),))
