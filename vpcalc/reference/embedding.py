"""From pixels to tokens and from tokens to classes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .registry import Witness, layer_witness


def padded(x: Tensor, widths: tuple[int, ...]) -> Tensor:
    """Zeros around it where there is something to add; ``F.pad`` copies even where there is not."""
    return F.pad(x, widths) if any(width != 0 for width in widths) else x


def classifier(C: int, classes: int) -> nn.Module:
    """(batch, C) to (batch, classes); without classes what comes in."""
    return nn.Linear(C, classes) if classes else nn.Identity()


class PatchEmbedding(nn.Module):
    """Image (batch, c, H, W) to grid (batch, h, w, C).

    The convolution leaves out what P does not divide; with ``pads`` the image is padded right and bottom.
    """

    def __init__(self, C: int, P: int, channels: int = 3, norm: bool = False, pads: bool = False) -> None:
        super().__init__()
        self.P = P
        self.pads = pads
        self.proj = nn.Conv2d(channels, C, kernel_size=P, stride=P)
        self.norm = nn.LayerNorm(C) if norm else None

    def forward(self, image: Tensor) -> Tensor:
        if self.pads:
            _, _, H, W = image.shape
            image = padded(image, (0, -W % self.P, 0, -H % self.P))
        grid = self.proj(image).permute(0, 2, 3, 1)
        return grid if self.norm is None else self.norm(grid)


class PatchMerging(nn.Module):
    """(batch, h, w, C) to (batch, h/2, w/2, 2C); an odd side is padded (Liu et al. 2021, §3.1)."""

    def __init__(self, C: int, norm_last: bool = False) -> None:
        super().__init__()
        self.norm_last = norm_last
        self.norm = nn.LayerNorm(2 * C if norm_last else 4 * C)
        self.reduction = nn.Linear(4 * C, 2 * C, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        _, h, w, _ = x.shape
        x = padded(x, (0, 0, 0, w % 2, 0, h % 2))
        corners = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        if self.norm_last:
            return self.norm(self.reduction(torch.cat(corners, dim=-1)))
        return self.reduction(self.norm(torch.cat(corners, dim=-1)))


class ClassToken(nn.Module):
    """(batch, n, C) to (batch, n + 1, C); a token of distillation makes it two (Touvron et al. 2021, §4)."""

    def __init__(self, C: int, count: int = 1) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, count, C))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.token.expand(x.shape[0], -1, -1), x), dim=1)


class Registers(nn.Module):
    """``count`` learned tokens after the ``first`` ones (Darcet et al. 2024)."""

    def __init__(self, C: int, count: int, first: int) -> None:
        super().__init__()
        self.first = first
        self.tokens = nn.Parameter(torch.zeros(1, count, C))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.tokens.expand(x.shape[0], -1, -1)
        return torch.cat((x[:, : self.first], tokens, x[:, self.first :]), dim=1)


class PositionEmbedding(nn.Module):
    """Adds one learned vector to each of n positions."""

    def __init__(self, n: int, C: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(1, n, C))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.positions


class ResizedPositions(nn.Module):
    """Adds one learned vector to each token of a grid, (batch, first + hw, C).

    A table that was made for another number of places is resized bilinearly; the ``first`` positions, those of
    tokens before the grid, stay as they are.
    """

    def __init__(self, table: tuple[int, int], C: int, first: int = 0) -> None:
        super().__init__()
        self.table = table
        self.first = first
        self.positions = nn.Parameter(torch.zeros(1, first + table[0] * table[1], C))

    def forward(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        return x + self.at(grid)

    def at(self, grid: tuple[int, int]) -> Tensor:
        """The positions of a grid."""
        if grid[0] * grid[1] == self.table[0] * self.table[1]:
            return self.positions
        made = self.positions[:, self.first :].reshape(1, *self.table, -1).permute(0, 3, 1, 2)
        resized = F.interpolate(made, size=grid, mode="bilinear").flatten(2).transpose(1, 2)
        return torch.cat((self.positions[:, : self.first], resized), dim=1) if self.first else resized


@layer_witness("patch_embedding")
def patch_embedding(H: int, W: int, C: int, P: int, batch: int = 1) -> Witness:
    """A colour image to a grid."""
    return Witness(PatchEmbedding(C, P), (torch.zeros(batch, 3, H, W),))


@layer_witness("patch_merging")
def patch_merging(h: int, w: int, C: int, batch: int = 1) -> Witness:
    """A grid to a grid of half the side."""
    return Witness(PatchMerging(C), (torch.zeros(batch, h, w, C),))


@layer_witness("class_token")
def class_token(C: int) -> Witness:
    """One token before one other."""
    return Witness(ClassToken(C), (torch.zeros(1, 1, C),))


@layer_witness("position_embedding")
def position_embedding(N: int, C: int) -> Witness:
    """Positions of N tokens."""
    return Witness(PositionEmbedding(N, C), (torch.zeros(1, N, C),))


@layer_witness("head")
def head(C: int, classes: int, batch: int = 1) -> Witness:
    """A pooled vector to classes."""
    return Witness(nn.Linear(C, classes), (torch.zeros(batch, C),))
