"""ExFuse on a ResNet encoder, written from Zhang et al. 2018; the choices left open are the formula's too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .convolution import (
    AdjacentPrediction,
    ChannelResolutionEmbedding,
    GlobalConvolution,
    SemanticEmbedding,
    conv_norm,
    resize,
)
from .registry import Witness, model_witness
from .resnet import residual_stages, stem


class AuxiliaryClassifier(nn.Module):
    """Semantic supervision of one level: (batch, C, h, w) to the classes of the pre-training."""

    def __init__(self, C: int, classes: int = 1000) -> None:
        super().__init__()
        self.body = nn.Sequential(conv_norm(C, C, 3), nn.ReLU(), conv_norm(C, C, 3), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(C, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(self.body(x)).flatten(1))


class ExFuse(nn.Module):
    """Image (batch, 3, H, W) of any size to (batch, classes, H, W), and the auxiliary scores if there are any."""

    def __init__(
        self,
        C: int,
        depths: tuple[int, ...],
        block: str,
        version: str,
        k: int,
        dap: int,
        classes: int,
        supervision: bool,
    ) -> None:
        super().__init__()
        self.stem = stem(C)
        stages, channels = residual_stages(C, depths, block, version, "B")
        self.stages = nn.ModuleList(stages)
        self.supervision = nn.ModuleList(AuxiliaryClassifier(c) for c in channels[:-1] if supervision)
        self.embeddings = nn.ModuleList(
            SemanticEmbedding(sum(channels[level + 1 :]), channels[level]) for level in range(len(depths) - 1)
        )
        self.gcn = nn.ModuleList(GlobalConvolution(c, classes, k) for c in channels)
        self.ecre = ChannelResolutionEmbedding(classes, classes, 2)
        self.dap = AdjacentPrediction(classes, classes, dap)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        features = self.encode(image)
        auxiliary = [head(x) for head, x in zip(self.supervision, features, strict=False)]
        scores = self.gcn[-1](features[-1])
        for level in range(len(features) - 2, -1, -1):
            low = features[level]
            size = (int(low.shape[2]), int(low.shape[3]))
            if level == len(features) - 2:
                scores = self.ecre(scores)[:, :, : size[0], : size[1]]
            else:
                scores = resize(scores, size)
            scores = scores + self.gcn[level](self.embed(level, features))
        return (resize(self.dap(scores), (int(image.shape[2]), int(image.shape[3]))), *auxiliary)

    def encode(self, image: Tensor) -> list[Tensor]:
        """The feature maps of the stages, finest first."""
        x = self.stem(image)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features

    def embed(self, level: int, features: list[Tensor]) -> Tensor:
        """The features of a level times what all higher levels say about them."""
        high = features[level + 1]
        size = (int(high.shape[2]), int(high.shape[3]))
        higher = [resize(x, size) for x in features[level + 2 :]]
        return self.embeddings[level](features[level], torch.cat((high, *higher), dim=1))


@model_witness("exfuse")
def exfuse(sizes: tuple[int, int], config: Mapping[str, Any], batch: int = 1) -> Witness:
    """ExFuse for one image size."""
    return Witness(ExFuse(**config), (torch.zeros(batch, 3, *sizes),))
