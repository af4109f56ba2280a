"""UperNet on any backbone, written from Xiao et al. 2018 and mmsegmentation's configuration of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .dense import AuxiliaryScores, UnifiedScores, size_of
from .registry import Witness, model_witness
from .registry import backbone as pyramid


class UperNet(nn.Module):
    """Image (batch, 3, H, W) to (batch, classes, H, W), and in training the auxiliary scores, too."""

    def __init__(
        self,
        sizes: tuple[int, int],
        backbone: str,
        C: int,
        scales: tuple[int, ...],
        classes: int,
        auxiliary: bool,
        hidden: int,
    ) -> None:
        super().__init__()
        self.backbone = pyramid(backbone, sizes)
        self.head = UnifiedScores(self.backbone.channels, C, scales, classes)
        third = self.backbone.channels[-2]
        self.auxiliary = AuxiliaryScores(third, hidden, classes) if auxiliary else None

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        maps, size = self.backbone(image), size_of(image)
        scores = self.head(maps, size)
        if self.auxiliary is None or not self.training:
            return (scores,)
        return scores, self.auxiliary(maps[-2], size)


@model_witness("upernet")
def upernet(sizes: tuple[int, int], config: Mapping[str, Any], batch: int = 1) -> Witness:
    """UperNet for one image size."""
    return Witness(UperNet(sizes, **config), (torch.zeros(batch, 3, *sizes),))
