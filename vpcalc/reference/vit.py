"""Vision Transformer (Dosovitskiy et al. 2021); DeiT without distillation has the same network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .attention import SelfAttention
from .embedding import ClassToken, PatchEmbedding, PositionEmbedding, classifier
from .feedforward import FeedForward
from .registry import Witness, model_witness


class ViTBlock(nn.Module):
    """Pre-norm attention and feed-forward, each with a residual (eq. 2 and 3)."""

    def __init__(self, C: int, heads: int, r: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(C)
        self.attention = SelfAttention(C, heads)
        self.norm2 = nn.LayerNorm(C)
        self.ffn = FeedForward(C, r * C)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.ffn(self.norm2(x))


class ViT(nn.Module):
    """Image (batch, 3, H, W) to (batch, classes); positions are made for one input size."""

    def __init__(self, H: int, W: int, C: int, depth: int, heads: int, P: int, r: int, classes: int) -> None:
        super().__init__()
        self.patches = PatchEmbedding(C, P)
        self.class_token = ClassToken(C)
        self.positions = PositionEmbedding((H // P) * (W // P) + 1, C)
        self.blocks = nn.Sequential(*(ViTBlock(C, heads, r) for _ in range(depth)))
        self.norm = nn.LayerNorm(C)
        self.head = classifier(C, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patches(image).flatten(1, 2)
        x = self.blocks(self.positions(self.class_token(x)))
        x = self.norm(x)
        return self.head(x[:, 0])


def _make(sizes: tuple[int, int], config: Mapping[str, Any], batch: int = 1) -> Witness:
    return Witness(ViT(*sizes, **config), (torch.zeros(batch, 3, *sizes),))


@model_witness("vit")
def vit(sizes: tuple[int, int], config: Mapping[str, Any], batch: int = 1) -> Witness:
    """ViT for one image size."""
    return _make(sizes, config, batch)


@model_witness("deit")
def deit(sizes: tuple[int, int], config: Mapping[str, Any], batch: int = 1) -> Witness:
    """DeiT for one image size."""
    return _make(sizes, config, batch)
