"""RetinaNet on any backbone, written from Lin et al. 2017 and mmdetection's configuration of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .dense import BoxScores, FeaturePyramid, Maps
from .registry import Witness, model_witness
from .registry import backbone as pyramid


class RetinaNet(nn.Module):
    """Image (batch, 3, H, W) to scores and boxes of every anchor, map by map."""

    def __init__(
        self, sizes: tuple[int, int], backbone: str, C: int, depth: int, anchors: int, classes: int
    ) -> None:
        super().__init__()
        self.backbone = pyramid(backbone, sizes, first=1)
        self.neck = FeaturePyramid(self.backbone.channels, C, more=2)
        self.head = BoxScores(C, depth, anchors * classes, anchors * 4)

    def forward(self, image: Tensor) -> Maps:
        neck = self.neck(self.backbone(image))
        return self.head(neck)


@model_witness("retinanet")
def retinanet(sizes: tuple[int, int], config: Mapping[str, Any], batch: int = 1) -> Witness:
    """RetinaNet for one image size."""
    return Witness(RetinaNet(sizes, **config), (torch.zeros(batch, 3, *sizes),))
