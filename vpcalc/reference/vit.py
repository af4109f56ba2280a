"""Vision Transformer (Dosovitskiy et al. 2021) and DeiT (Touvron et al. 2021 and 2022), with registers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .attention import AttentionPooling, SelfAttention
from .embedding import ClassToken, PatchEmbedding, PositionEmbedding, Registers, classifier
from .feedforward import FeedForward
from .registry import Witness, model_witness


class ViTBlock(nn.Module):
    """Pre-norm attention and feed-forward, each with a residual (eq. 2 and 3)."""

    def __init__(self, C: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(C)
        self.attention = SelfAttention(C, heads)
        self.norm2 = nn.LayerNorm(C)
        self.ffn = FeedForward(C, hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.ffn(self.norm2(x))


class ScaledBlock(ViTBlock):
    """The same with LayerScale: what is added is scaled, channel by channel (Touvron et al. 2022)."""

    def __init__(self, C: int, heads: int, hidden: int) -> None:
        super().__init__(C, heads, hidden)
        self.scale1, self.scale2 = nn.Parameter(torch.ones(C)), nn.Parameter(torch.ones(C))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.scale1 * self.attention(self.norm1(x))
        return x + self.scale2 * self.ffn(self.norm2(x))


class ViT(nn.Module):
    """Image (batch, 3, H, W) to (batch, classes); positions are made for one input size."""

    def __init__(
        self,
        H: int,
        W: int,
        C: int,
        depth: int,
        heads: int,
        P: int,
        r: int,
        classes: int,
        mlp: int = 0,
        registers: int = 0,
        pool: str = "token",
        layer_scale: bool = False,
        distilled: bool = False,
        class_position: bool = True,
    ) -> None:
        super().__init__()
        first = 0 if pool != "token" else 2 if distilled else 1
        self.patches = PatchEmbedding(C, P)
        self.class_token = ClassToken(C, first) if first else nn.Identity()
        self.class_position = class_position
        self.positions = PositionEmbedding((H // P) * (W // P) + (first if class_position else 0), C)
        self.registers = Registers(C, registers, first) if registers else nn.Identity()
        kind = ScaledBlock if layer_scale else ViTBlock
        self.blocks = nn.Sequential(*(kind(C, heads, mlp or r * C) for _ in range(depth)))
        self.norm = nn.LayerNorm(C)
        self.head = classifier(C, classes)
        self.head_distilled = classifier(C, classes) if distilled else None
        self.pool, self.first_patch = pool, registers + first
        self.pooling = AttentionPooling(C, heads, mlp or r * C) if pool == "map" else None

    def forward(self, image: Tensor) -> Tensor:
        x = self.patches(image).flatten(1, 2)
        x = self.blocks(self.tokens(x))
        x = self.norm(x)
        if self.pooling is not None:
            return self.head(self.pooling(x[:, self.first_patch :]))
        if self.pool == "mean":
            return self.head(x[:, self.first_patch :].mean(dim=1))
        if self.head_distilled is not None:
            return (self.head(x[:, 0]) + self.head_distilled(x[:, 1])) / 2
        return self.head(x[:, 0])

    def tokens(self, x: Tensor) -> Tensor:
        """Patches with their positions, and what is learned beside them."""
        if self.class_position:
            return self.registers(self.positions(self.class_token(x)))
        return self.registers(self.class_token(self.positions(x)))


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
