"""Semantic FPN on any backbone, written from Kirillov et al. 2019 and mmsegmentation's configuration of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .dense import FeaturePyramid, SummedScores, size_of
from .registry import Witness, model_witness
from .registry import backbone as pyramid


class SemanticFPN(nn.Module):
    """Image (batch, 3, H, W) to (batch, classes, H, W), on a backbone made for this size."""

    def __init__(self, sizes: tuple[int, int], backbone: str, C: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.backbone = pyramid(backbone, sizes)
        self.neck = FeaturePyramid(self.backbone.channels, C)
        self.head = SummedScores(len(self.backbone.channels), C, hidden, classes)

    def forward(self, image: Tensor) -> Tensor:
        neck = self.neck(self.backbone(image))
        return self.head(neck, size_of(image))


@model_witness("semantic_fpn")
def semantic_fpn(sizes: tuple[int, int], config: Mapping[str, Any], batch: int = 1) -> Witness:
    """Semantic FPN for one image size."""
    return Witness(SemanticFPN(sizes, **config), (torch.zeros(batch, 3, *sizes),))
